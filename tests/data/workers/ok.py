"""Writes a good result, and noise to stdout and stderr."""

import json
import os
import sys

run_dir = sys.argv[1]
print('noise on stdout {"outcome": "crashed"}')
print("noise on stderr", file=sys.stderr)
seen = {name: held for name, held in os.environ.items() if name.startswith("A_")}
with open(os.path.join(run_dir, "result.json"), "w") as file:
    json.dump({"format_version": 3, "outcome": "ok", "message": "", "fingerprint": seen}, file)
