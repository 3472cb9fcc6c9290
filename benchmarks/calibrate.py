"""The figures that the constants of the confirmation were chosen by, on the recordings for that.

    python benchmarks/calibrate.py [--studies 200] [RECORDING …]

One constant of tuner/confirm.py at a time is changed, the others stay as they are, and whole
studies
are replayed (see trust.py). Prints for each value the regret and the runs that it takes.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from trust import HERE, RECORDINGS, Replays, promise, quantile

from tuner import confirm, setup

CHOSEN_ON = ("npu-emulated.jsonl.gz", "batches.jsonl.gz")
VALUES: dict[str, tuple[float, ...]] = {
    "FINALISTS": (3, 5, 8),
    "BLOCKS": (2, 4, 6),
    "ALL_IN": (1, 2, 4),
    "KEPT": (2, 4, 8),
    "TIE_ERRORS": (0.0, 0.5, 1.0),
}


@contextmanager
def changed(name: str, value: float) -> Iterator[None]:
    """The constant at another value."""
    module = confirm if hasattr(confirm, name) else setup
    before = getattr(module, name)
    setattr(module, name, value)
    try:
        yield
    finally:
        setattr(module, name, before)


def show(replays: Replays, noise: float, options: argparse.Namespace) -> str:
    """One line: regret, runs."""
    with multiprocessing.Pool(options.processes) as pool:
        found = pool.map(partial(promise, replays, noise), range(options.studies))
    regrets = [regret for _, _, _, regret, _ in found]
    runs = [count for *_, count in found]
    return (
        f"regret median {statistics.median(regrets):.2%}, 90th {quantile(regrets, 0.9):.2%}, "
        f"mean {statistics.fmean(regrets):.2%}; runs to choose the winner: mean "
        f"{statistics.fmean(runs):.0f}, most {max(runs)}"
    )


def main() -> None:
    """Read the recordings and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("recordings", nargs="*", type=Path)
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--noise", type=float, default=1.0)
    parser.add_argument("--constant", action="append")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    paths = options.recordings or [HERE / "recordings" / name for name in CHOSEN_ON]
    for path in paths:
        replays = Replays(path, RECORDINGS[path.name])
        print(f"{path.name}, noise x {options.noise:g}, {options.studies} studies")
        for name in options.constant or VALUES:
            for value in VALUES[name]:
                with changed(name, int(value) if value == int(value) else value):
                    print(
                        f"  {name} {value:g}: {show(replays, options.noise, options)}", flush=True
                    )


if __name__ == "__main__":
    main()
