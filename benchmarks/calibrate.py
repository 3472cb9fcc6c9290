"""The figures that the constants of the confirmation were chosen by, on the recordings for that.

    python benchmarks/calibrate.py [--studies 200] [--noise 1] [--looks] [RECORDING …]

- How many turns a run should have: the scatter of the ratios of a heat, had it ended earlier.
- More pairs, or other looks: the verdicts (--looks).
- One constant of tuner/evidence/finalists.py at a time is changed, the others stay as they are, and
  whole studies are replayed (see trust.py): the regret and the runs that it takes, for each value.
- TPE against random without replacement: the same.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
from trust import GAINS, HERE, RECORDINGS, Replays, a_a, planted, promise, quantile, title

from tuner.evidence import finalists, intervals
from tuner.evidence.intervals import Look
from tuner.evidence.objectives import OBJECTIVES
from tuner.evidence.stats import median
from tuner.study.sampler import Sampler
from tuner.worker.protocol import Measurement, Role

CHOSEN_ON = ("npu-emulated.jsonl.gz", "batches.jsonl.gz")
TURNS = (2, 4, 7, 10)
LATENCY = OBJECTIVES["latency"]
LOOKS = {
    "8": (Look(8, 0.05),),
    "8, 16": (Look(8, 0.01), Look(16, 0.04)),
    "8, 16, 24": intervals.LOOKS,
    "24 at once": (Look(24, 0.05),),
}
VALUES: dict[str, tuple[float, ...]] = {
    "FINALISTS": (3, 5, 8),
    "BLOCKS": (2, 3, 4, 6),
    "SEARCH_VOTES": (0, 1, 2),
}


def turns(replays: Replays) -> Iterator[str]:
    """The scatter of a latency's ratios to the companion, by the number of turns."""
    companions = {
        r.run.spec.heat: m
        for r in replays.runs
        if r.role == Role.COMPANION and (m := r.measurement) is not None
    }
    for most in TURNS:
        rests: list[float] = []
        for parts in replays.world.parts.values():
            logs = [
                LATENCY.log_ratio(_first(m, most), companions[heat])
                for part in parts
                if (m := part.recorded.measurement) is not None
                and (heat := part.recorded.run.spec.heat) in companions
            ]
            rests += [abs(log - median(logs)) for log in logs] if len(logs) > 1 else []
        middle, upper = quantile(rests, 0.68), quantile(rests, 0.9)
        yield f"{most} turns: scatter of a ratio {middle:.2%}, 90th {upper:.2%}"


def _first(measurement: Measurement, most: int) -> Measurement:
    """The measurement without what came after so many turns."""
    kept = [turn < most for turn in measurement.latency_turns]
    latency = [ns for ns, keep in zip(measurement.latency_ns, kept, strict=True) if keep]
    blocks = [turn < most for turn in measurement.block_turns]
    return replace(
        measurement,
        latency_ns=latency,
        latency_turns=[turn for turn in measurement.latency_turns if turn < most],
        block_ns=[ns for ns, keep in zip(measurement.block_ns, blocks, strict=True) if keep],
        block_turns=[turn for turn in measurement.block_turns if turn < most],
    )


@contextmanager
def changed(name: str, value: float) -> Iterator[None]:
    """The constant at another value."""
    before = getattr(finalists, name)
    setattr(finalists, name, value)
    try:
        yield
    finally:
        setattr(finalists, name, before)


def show(
    replays: Replays, noise: float, options: argparse.Namespace, sampler: Sampler | None = None
) -> str:
    """One line: regret, runs."""
    with multiprocessing.Pool(options.processes) as pool:
        job = partial(promise, replays, noise, sampler=sampler)
        found = pool.map(job, range(options.studies))
    regrets = [one.regret for one in found]
    runs = [one.choosing for one in found]
    return (
        f"regret median {statistics.median(regrets):.2%}, 90th {quantile(regrets, 0.9):.2%}, "
        f"mean {statistics.fmean(regrets):.2%}; runs to choose the winner: mean "
        f"{statistics.fmean(runs):.0f}, most {max(runs)}"
    )


def at_random(seed: int) -> optuna.samplers.BaseSampler:
    """What is measured already is told and another asked for: hence without replacement."""
    return optuna.samplers.RandomSampler(seed=seed)


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
    parser.add_argument("--looks", action="store_true", help="other numbers of pairs, too: slow")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    options = parser.parse_args()
    paths = options.recordings or [HERE / "recordings" / name for name in CHOSEN_ON]
    for path in paths:
        replays = Replays(path, RECORDINGS[path.name])
        print(next(title(path.name.partition(".")[0], replays, options.noise)))
        for line in turns(replays):
            print(f"  {line}", flush=True)
        for name, sampler in (("TPE", None), ("random", at_random)):
            print(f"  {name}: {show(replays, options.noise, options, sampler)}", flush=True)
        for line in looks(replays, options.noise, options) if options.looks else ():
            print(f"  {line}", flush=True)
        for name in options.constant or VALUES:
            for value in VALUES[name]:
                with changed(name, int(value) if value == int(value) else value):
                    print(
                        f"  {name} {value:g}: {show(replays, options.noise, options)}", flush=True
                    )


if __name__ == "__main__":
    main()
