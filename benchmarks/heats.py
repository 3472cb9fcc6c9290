"""Turns against runs one after the other: scatter of a ratio, its bias, and what spinning does.

    python benchmarks/heats.py measure --rounds 25 [--load] [--bias]
    python benchmarks/heats.py report [--load]

Every round holds heats of two of the same configuration, one heat of all, and a run alone of each:
interleaved, so that each kind meets the same hours. What was measured stays in results/heats.db,
raw; `measure` goes on where it was stopped. --load: a foreign process works in bursts on one core,
and only the heats of two and their runs alone are made. --bias: in these rounds only the heat of
all, and runs alone of those whose ratios alone scatter most.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import multiprocessing
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

from measuring import Lines, measuring

from tuner.evidence.objectives import OBJECTIVES
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.runs.store import Store
from tuner.space.model import Configuration
from tuner.study.heats import Entry, make
from tuner.study.runner import Runner
from tuner.worker.protocol import TURN, Measurement, Role

STORAGE = "sqlite:///results/heats.db"
TWINS: tuple[Configuration, ...] = ({}, {"execution": "torchscript"})
OTHERS: tuple[Configuration, ...] = (
    {"allocator": "glibc-keep"}, {"threads": 1}, {"openmp_wait": "active"},
)  # fmt: skip
NAMES = {0: "eager", 1: "torchscript", 2: "glibc-keep", 3: "threads=1", 4: "openmp_wait=active"}
# The block of a run says its round and its place: a heat of the same, of all, or alone.
PLACES = 100
SAME, ALL, ALONE = 10, 50, 70
RESAMPLES = 10_000
LATENCY = OBJECTIVES["latency"]
Row = tuple[float, float]  # in turns, alone


def configurations() -> list[Configuration]:
    """By number, as in NAMES."""
    return [*TWINS, *OTHERS]


def bursts(seed: int) -> None:
    """Work on the first processor for one to four seconds, rest as long, for ever."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    chance = random.Random(seed)
    while True:
        until = time.monotonic() + chance.uniform(1, 4)
        while time.monotonic() < until:
            sum(range(10_000))
        time.sleep(chance.uniform(1, 4))


@contextlib.contextmanager
def load(wanted: bool) -> Iterator[None]:
    """The foreign process, where it is wanted."""
    if not wanted:
        yield
        return
    process = multiprocessing.Process(target=bursts, args=(1,), daemon=True)
    process.start()
    try:
        yield
    finally:
        process.kill()
        process.join()


def measure(name: str, rounds: int, loaded: bool, bias: bool) -> None:
    """Make the rounds that are not there yet."""
    setup = Setup("mobilenet_v2", trials=1, confirm="off", heat="5", pins={"batch_size": "1"})
    with measuring(setup.validated(), Store(STORAGE), name) as runner, load(loaded):
        runner.keep_heat_size(5)
        base = runner.space.baseline()
        if not runner.reference_path(base).exists():
            runner.run_once(base, runner.trial_spec(0, base, Role.BASELINE))
        clock = runner.observer = TurnClock()
        begun = {r.block // PLACES for r in runner.runs if r.role == Role.HOLD_OUT}
        for number in range(max(begun | {-1}) + 1, rounds):
            for place, kinds in steps(number, loaded, bias):
                step(runner, number * PLACES + place, kinds)
            print(f"round {number + 1}; {clock.line()}", flush=True)


class TurnClock(Lines):
    """What the controller uses of a processor while others have their turns."""

    def __init__(self) -> None:
        self.cpu_s = self.wall_s = 0.0
        self.last: tuple[float, float] | None = None

    def heat_at(self, number: int, phase: str, turn: int) -> None:
        """From one round of turns to the next."""
        del number
        now = time.process_time(), time.monotonic()
        if phase == TURN and turn and self.last is not None:
            self.cpu_s += now[0] - self.last[0]
            self.wall_s += now[1] - self.last[1]
        self.last = now

    def line(self) -> str:
        """The share so far."""
        return f"controller: {self.cpu_s / max(self.wall_s, 1e-9):.2%} of a processor in turns"


def steps(number: int, loaded: bool, bias: bool) -> list[tuple[int, list[int]]]:
    """(place, configurations) of a round's heats and runs alone; every other one is reversed."""
    kinds = list(range(len(TWINS) if loaded else len(NAMES)))
    of_round: list[tuple[int, list[int]]] = []
    for kind in range(len(TWINS)):
        of_round += [(SAME + kind, [kind] * 2), (ALONE + kind, [kind]), (ALONE + 10 + kind, [kind])]
    if not loaded:
        of_round.append((ALL, kinds))
        of_round += [(ALONE + kind, [kind]) for kind in kinds[len(TWINS) :]]
    if bias:
        of_round = [(place, own) for place, own in of_round if place >= ALL and own != [1]]
    return of_round[::-1] if number % 2 else of_round


def step(runner: Runner, block: int, kinds: Sequence[int]) -> None:
    """A heat of these, or a run alone."""
    base = runner.space.baseline()
    entries = [
        Entry(runner, kind, {**base, **configurations()[kind]}, Role.HOLD_OUT, block)
        for kind in kinds
    ]
    if len(entries) > 1:
        make(entries)
    else:
        runner.run_once(entries[0].configuration, entries[0].spec())


class Rounds:
    """What was measured, by place and configuration."""

    def __init__(self, runs: Sequence[RecordedRun]) -> None:
        self.cells: dict[tuple[int, int], list[Measurement]] = {}
        for recorded in runs:
            if recorded.role == Role.HOLD_OUT and recorded.measurement is not None:
                key = recorded.block, recorded.trial
                self.cells.setdefault(key, []).append(recorded.measurement)
        self.numbers = sorted({block // PLACES for block, _ in self.cells})

    def at(self, number: int, place: int, kind: int) -> list[Measurement]:
        """The measurements of a configuration in a round."""
        return self.cells.get((number * PLACES + place, kind), [])

    def against_itself(self, kind: int) -> tuple[list[float], list[float]]:
        """log ratios of heats of two, and of pairs of runs alone."""
        heats, pairs = [], []
        for number in self.numbers:
            same = self.at(number, SAME + kind, kind)
            alone = [self.at(number, place + kind, kind) for place in (ALONE, ALONE + 10)]
            if len(same) == 2 and all(alone):
                heats.append(LATENCY.log_ratio(*same))
                pairs.append(LATENCY.log_ratio(alone[0][0], alone[1][0]))
        return heats, pairs

    def against_baseline(self, kind: int) -> tuple[list[float], list[float]]:
        """log ratios to the baseline: in each heat of all, and of that round's runs alone.

        Of those all that the round has: the mean of log(ms) of either side. Rounds without either
        are left out: it is the hours that move the ratios of runs alone.
        """
        heats, pairs = [], []
        for number in self.numbers:
            sides = [self.at(number, ALL, k) for k in (kind, 0)]
            alone = [self._alone(number, k) for k in (kind, 0)]
            if all(sides) and all(alone):
                heats.append(LATENCY.log_ratio(sides[0][0], sides[1][0]))
                pairs.append(statistics.fmean(alone[0]) - statistics.fmean(alone[1]))
        return heats, pairs

    def _alone(self, number: int, kind: int) -> list[float]:
        """log(ms) of a configuration's runs alone in a round."""
        runs = self.at(number, ALONE + kind, kind) + self.at(number, ALONE + 10 + kind, kind)
        return [math.log(LATENCY.of(measurement)) for measurement in runs]

    def medians_ms(self, kind: int) -> tuple[float, float]:
        """Median ms in the heat of all, and alone."""
        numbers = [n for n in self.numbers if self.at(n, ALL, kind)]
        company = [LATENCY.of(m) for n in numbers for m in self.at(n, ALL, kind)]
        alone = [LATENCY.of(m) for n in numbers for m in self.at(n, ALONE + kind, kind)]
        return statistics.median(company or [math.nan]), statistics.median(alone or [math.nan])


def bootstrap(
    rows: Sequence[Row], statistic: Callable[[Sequence[Row]], float], seed: int = 0
) -> tuple[float, float, float]:
    """(value, low, high): 95 % by resampling rounds."""
    chance = random.Random(seed)
    values = sorted(statistic(chance.choices(rows, k=len(rows))) for _ in range(RESAMPLES))
    value = statistic(rows)
    return value, values[int(0.025 * RESAMPLES)], values[int(0.975 * RESAMPLES)]


def ratio_of_deviations(rows: Sequence[Row]) -> float:
    """Standard deviation in heats over that of pairs alone."""
    heats, pairs = zip(*rows, strict=True)
    alone = statistics.stdev(pairs)
    return float(statistics.stdev(heats) / alone) if alone else math.inf


def mean_difference(rows: Sequence[Row]) -> float:
    """Of the log ratios in turns and alone, over rounds."""
    return statistics.fmean(in_turns - alone for in_turns, alone in rows)


def report(name: str, loaded: bool) -> None:
    """Print the tables."""
    rounds = Rounds(Store(STORAGE).runs(name))
    print(f"{len(rounds.numbers)} rounds" + (", foreign load in bursts" if loaded else ""))
    print("against itself      | sd in turns | sd alone | sd in turns / sd alone (95 %)")
    for kind in range(len(TWINS)):
        rows = list(zip(*rounds.against_itself(kind), strict=True))
        heats, pairs = map(statistics.stdev, zip(*rows, strict=True))
        value, low, high = bootstrap(rows, ratio_of_deviations)
        print(
            f"{NAMES[kind]:19} | {heats:11.1%} | {pairs:8.1%} | "
            f"{value:.2f} ({low:.2f} to {high:.2f}), {len(rows)} rounds"
        )
    if loaded:
        return
    print("against the baseline | in turns | alone | difference (95 %), rounds | ms")
    for kind in range(1, len(NAMES)):
        ratios, pairs = rounds.against_baseline(kind)
        rows = list(zip(ratios, pairs, strict=True))
        between = "{:+.1%} ({:+.1%} to {:+.1%})".format(*bootstrap(rows, mean_difference))
        company, alone = rounds.medians_ms(kind)
        in_turns, by_itself = (math.exp(statistics.fmean(logs)) for logs in (ratios, pairs))
        print(
            f"{NAMES[kind]:20} | {in_turns:.3f} | {by_itself:.3f} | {between}, {len(rows)} | "
            f"{company:.4g} in company, {alone:.4g} alone"
        )
    company, alone = rounds.medians_ms(0)
    print(f"{'eager':20} | {company:.4g} ms in company, {alone:.4g} ms alone")


def main() -> None:
    """Measure or report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["measure", "report"])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--load", action="store_true")
    parser.add_argument("--bias", action="store_true")
    arguments = parser.parse_args()
    name = "loaded" if arguments.load else "quiet"
    if arguments.what == "measure":
        measure(name, arguments.rounds, arguments.load, arguments.bias)
    report(name, arguments.load)


if __name__ == "__main__":
    main()
