"""The figures that the constants of the confirmation were chosen by, on the recordings for that.

    python benchmarks/calibrate.py [--studies 200] [RECORDING …]

- How long a run should be: the scatter of runs, had each ended after so many seconds of samples.
- What sentinels would do: the error that the drift makes, and what is left of it when every run is
  compared with the latest run of the baseline instead.
- One constant of tuner/evidence/finalists.py at a time is changed, the others stay as they are, and
  whole studies are replayed (see trust.py): the regret and the runs that it takes, for each value.
"""

from __future__ import annotations

import argparse
import itertools
import math
import multiprocessing
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from trust import GAINS, HERE, RECORDINGS, Replays, a_a, planted, promise, quantile, title

from tuner.evidence import finalists, intervals
from tuner.evidence.intervals import Look
from tuner.evidence.stats import median

CHOSEN_ON = ("npu-emulated.jsonl.gz", "batches.jsonl.gz")
SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0)
FEWEST_SAMPLES = 5
LOOKS = {
    "8": (Look(8, 0.05),),
    "8, 16": (Look(8, 0.01), Look(16, 0.04)),
    "8, 16, 24": intervals.LOOKS,
    "24 at once": (Look(24, 0.05),),
}
VALUES: dict[str, tuple[float, ...]] = {
    "FINALISTS": (3, 5, 8),
    "BLOCKS": (2, 4, 6),
    "ALL_IN": (1, 2, 4),
    "KEPT": (2, 4, 8),
    "SEARCH_VOTES": (0, 1, 2),
    "DRIFT_TAKEN_OFF": (0.0, 0.5, 1.0),
}


def run_lengths(replays: Replays) -> Iterator[str]:
    """The scatter about the level of each configuration, by seconds of samples."""
    for seconds in SECONDS:
        rests: list[float] = []
        for parts in replays.world.parts.values():
            runs = [part.recorded.run.result.measurement for part in parts]
            logs = [math.log(median(_first(m.latency_ns, seconds))) for m in runs if m]
            left = [log - part.drift for log, part in zip(logs, parts, strict=True)]
            rests += [abs(one - median(left)) for one in left]
        middle, upper = quantile(rests, 0.68), quantile(rests, 0.9)
        yield f"{seconds} s of samples: scatter {middle:.2%}, 90th {upper:.2%}"


def _first(latency_ns: Sequence[int], seconds: float) -> list[int]:
    spent = itertools.accumulate(latency_ns)
    kept = [value for value, end in zip(latency_ns, spent, strict=True) if end <= seconds * 1e9]
    return kept if len(kept) >= FEWEST_SAMPLES else list(latency_ns[:FEWEST_SAMPLES])


def sentinels(replays: Replays) -> str:
    """The error by drift with and without the latest run of the baseline as a yardstick."""
    world = replays.world
    everything = [part for parts in world.parts.values() for part in parts]
    everything.sort(key=lambda part: part.recorded.run.started_at)
    without, compared, latest = [], [], None
    for part in everything:
        if latest is not None:
            without.append(part.drift)
            compared.append(part.drift - latest.drift - latest.rest)
        if world.key(part.recorded.configuration) == world.key(world.space.baseline()):
            latest = part
    return f"{statistics.pstdev(without):.2%} without, {statistics.pstdev(compared):.2%} with them"


@contextmanager
def changed(name: str, value: float) -> Iterator[None]:
    """The constant at another value."""
    before = getattr(finalists, name)
    setattr(finalists, name, value)
    try:
        yield
    finally:
        setattr(finalists, name, before)


def show(replays: Replays, noise: float, options: argparse.Namespace) -> str:
    """One line: regret, runs."""
    with multiprocessing.Pool(options.processes) as pool:
        found = pool.map(partial(promise, replays, noise), range(options.studies))
    regrets = [one.regret for one in found]
    runs = [one.choosing for one in found]
    return (
        f"regret median {statistics.median(regrets):.2%}, 90th {quantile(regrets, 0.9):.2%}, "
        f"mean {statistics.fmean(regrets):.2%}; runs to choose the winner: mean "
        f"{statistics.fmean(runs):.0f}, most {max(runs)}"
    )


def looks(replays: Replays, noise: float, options: argparse.Namespace) -> Iterator[str]:
    """What more pairs bring: false verdicts, gains that are found, pairs."""
    shipped = intervals.LOOKS
    for name, value in LOOKS.items():
        intervals.LOOKS = value
        with multiprocessing.Pool(options.processes) as pool:
            seeds = range(options.studies)
            nothing = pool.map(partial(a_a, replays, noise), seeds)
            gains = [pool.map(partial(planted, replays, gain, noise), seeds) for gain in GAINS]
        wrong = sum(verdict not in ("same", "unclear") for verdict in nothing)
        found = ", ".join(
            f"{gain:.0%}: {statistics.fmean(hits):.0%}"
            for gain, hits in zip(GAINS, gains, strict=True)
        )
        yield f"pairs {name}: A/A {wrong} of {options.studies} wrong; gains found: {found}"
    intervals.LOOKS = shipped


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
        print(next(title(path.name.partition(".")[0], replays, options.noise)))
        for line in run_lengths(replays):
            print(f"  {line}")
        print(f"  sentinels: {sentinels(replays)}", flush=True)
        for line in looks(replays, options.noise, options):
            print(f"  {line}", flush=True)
        for name in options.constant or VALUES:
            for value in VALUES[name]:
                with changed(name, int(value) if value == int(value) else value):
                    print(
                        f"  {name} {value:g}: {show(replays, options.noise, options)}", flush=True
                    )


if __name__ == "__main__":
    main()
