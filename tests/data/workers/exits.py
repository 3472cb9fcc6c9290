import os
import sys

open(os.path.join(sys.argv[1], "started"), "w").close()
print("last words")
sys.exit(3)
