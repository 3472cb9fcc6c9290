"""Writes a good result, and noise to stdout and stderr."""

import json
import os
import sys

run_dir = sys.argv[1]
print('noise on stdout {"outcome": "crashed"}')
print("noise on stderr", file=sys.stderr)
seen = {name: os.environ.get(name, "") for name in ("A_KNOB", "A_STUDY")}
with open(os.path.join(run_dir, "result.json"), "w") as file:
    json.dump({"format_version": 1, "outcome": "ok", "message": "", "facts": seen}, file)
