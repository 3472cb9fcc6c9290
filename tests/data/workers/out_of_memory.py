import os
import sys

open(os.path.join(sys.argv[1], "started"), "w").close()
sys.stderr.write("terminate called after throwing an instance of 'std::bad_alloc'\n")
sys.stderr.flush()
os.abort()
