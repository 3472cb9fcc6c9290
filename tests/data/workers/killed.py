import os
import sys

open(os.path.join(sys.argv[1], "started"), "w").close()
os.kill(os.getpid(), 9)
