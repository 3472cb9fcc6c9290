"""What the tool costs beside the measuring: share of a study's wall time, CPU, memory, start-up.

    python benchmarks/trial_overhead.py [--trials 40] [--python PATH]

Runs a real study of mobilenet_v2 in a folder of its own and prints four figures with their limits.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tuner.options import Setup
from tuner.runs import launcher, process
from tuner.runs.store import Store
from tuner.study import session
from tuner.study.runner import Caller

COUNTED_PHASES = ("import", "build", "transform", "first_call", "warmup", "samples")
HELP_RUNS = 5


def watch_the_wait() -> list[tuple[float, float]]:
    """(controller CPU s, wall s) of each wait for a child, filled in as the study runs."""
    seen: list[tuple[float, float]] = []
    wait = process.wait_for_answers

    def watched(processes: Sequence[process.Process], deadline_s: float) -> None:
        cpu, wall = time.process_time(), time.monotonic()
        try:
            wait(processes, deadline_s)
        finally:
            seen.append((time.process_time() - cpu, time.monotonic() - wall))

    launcher.wait_for_answers = watched  # type: ignore[attr-defined]
    return seen


def help_seconds() -> float:
    """Median wall time of `npu-tune --help`."""
    command = [sys.executable, "-c", "from tuner.cli.main import main; main()", "--help"]
    times = []
    for _ in range(HELP_RUNS):
        start = time.monotonic()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append(time.monotonic() - start)
    return statistics.median(times)


def main() -> None:
    """Run the study and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--python", default="")
    options = parser.parse_args()
    startup_s = help_seconds()
    waits = watch_the_wait()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        store = Store("sqlite:///results/npu-tune.db")
        asked = Setup(
            "mobilenet_v2", options.trials, python=options.python, folder=folder, confirm="off"
        )
        start = time.monotonic()
        session.tune(asked, store, "overhead", Caller())
        wall_s = time.monotonic() - start
        runs = store.runs("overhead")
        store.close()
        os.chdir(Path(__file__).parent)
    counted_s = sum(r.run.result.phases_s.get(p, 0.0) for r in runs for p in COUNTED_PHASES)
    cpu_s, waited_s = (sum(column) for column in zip(*waits, strict=True))
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{len(runs)} runs in {wall_s:.0f} s on {os.cpu_count()} processors")
    print(f"outside import, build, transform, calls: {1 - counted_s / wall_s:.1%} (limit 10 %)")
    print(f"controller CPU while a child runs: {cpu_s / waited_s:.2%} (limit 1 %)")
    print(f"controller memory: {memory_mb:.0f} MB (limit 200 MB)")
    print(f"npu-tune --help: {startup_s:.2f} s (limit 0.5 s)")


if __name__ == "__main__":
    main()
