"""Says its number, then holds what it inherited until somebody opens the other pipe."""

import os

with open(os.environ["STARTED"], "w") as started:
    started.write(str(os.getpid()))
with open(os.environ["END"]) as end:
    end.read()
