"""Does the tool find an optimum that was planted, and claim none where there is none?

    python benchmarks/planted_optimum.py [--costs planted] [--seeds 5] [--trials 12] [--pairs 6]
        [--python WORKER]

Emulated CANN: the costs of host and device are invented, torch_npu's own code runs. Each seed is a
whole study of benchmarks/convnet.py under both costs:

- planted: the user's environment has TASK_QUEUE_ENABLE=0. Level 1 overlaps the two phases of a
  launch, and internal_format=off saves the dearer path of convolutions: best are both together.
- flat: the host costs nothing, the device is the limit; every configuration takes the same time.
- captured: as planted, and a call may be captured as a graph: nothing is faster than that.
- device: as flat, and a call may be captured: it gains nothing, so it must not be claimed.

--python, and NPU_TUNE_TORCH_NPU for the folder of its torch_npu: another version of both.

Prints a line for each study and how many ended as they should. Takes about 4 minutes a study.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.support import TORCH_NPU  # noqa: E402
from tests.support.cann_emulator import build  # noqa: E402

HOST: dict[str, str | int | Path] = {
    "phase1_us": 50, "phase2_us": 40, "aclop_us": 300, "kernel_us": 2,
}  # fmt: skip
DEVICE: dict[str, str | int | Path] = {
    "phase1_us": 0, "phase2_us": 0, "aclop_us": 0, "load_us": 0, "kernel_us": 150,
}  # fmt: skip
COSTS = {"planted": HOST, "flat": DEVICE, "captured": HOST, "device": DEVICE}
WANTED: dict[str, dict[str, object]] = {  # what has to be confirmed as faster; nothing: no claim
    "planted": {"task_queue": 1, "internal_format": "off"},
    "flat": {},
    "captured": {"execution": "npugraph"},
    "device": {},
}


def study(costs: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One study in a folder of its own; the result as the command prints it with --json."""
    libraries = build.build(TORCH_NPU, TORCH_NPU / "emulated_cann")
    emulated = build.environment(libraries, **COSTS[costs])
    if WANTED[costs]:
        emulated["TASK_QUEUE_ENABLE"] = "0"
    command = [sys.executable, "-c", "from tuner.cli.main import main; main()", "tune", "--json"]
    command += ["--model", f"{Path(__file__).parent / 'convnet.py'}:make", "--backend", "npu"]
    command += ["--seed", str(seed), "--trials", str(options.trials)]
    command += ["--set", "batch_size=1", "--set", "jit_compile=off"]
    if costs in ("planted", "flat"):
        command += ["--set", "execution=unset"]
    command += ["--confirm", str(options.pairs), "--python", options.python]
    environment = {**os.environ, **emulated, "PYTHONPATH": f"{ROOT}:{TORCH_NPU}"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, check=True
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def as_wanted(costs: str, found: dict[str, Any]) -> bool:
    """Confirmed as faster with what is wanted; or nothing to apply."""
    wanted = WANTED[costs]
    if not wanted:
        return bool(found["recommendation"] == "keep the defaults")
    chosen = {name: value for name, value in found["configuration"].items() if name in wanted}
    return found["verdict"] == "faster" and chosen == wanted


def main() -> None:
    """Run the studies and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--costs", choices=list(COSTS), action="append")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--python", default=sys.executable)
    options = parser.parse_args()
    print(f"emulated CANN, {os.cpu_count()} processors, {options.trials} trials, ", end="")
    print(f"{options.pairs} pairs", flush=True)
    for costs in options.costs or COSTS:
        good = 0
        for seed in range(options.seeds):
            found = study(costs, seed, options)
            good += as_wanted(costs, found)
            interval = found["evidence"]["interval"]
            shown = f"{interval['low']:.3f}x to {interval['high']:.3f}x" if interval else ""
            print(
                f"{costs} {seed}: {found['verdict']} {shown} {found['configuration']}", flush=True
            )
        print(f"{costs}: {good} of {options.seeds} as wanted", flush=True)


if __name__ == "__main__":
    main()
