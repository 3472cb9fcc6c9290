"""Objectives: name -> (function of a Measurement, direction, unit). A new one is one function."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..worker.protocol import Measurement
from .stats import median

MOST_WAITED = 0.1  # of a turn: on a quiet host 35 of 3913 turns waited for longer


def latency(measurement: Measurement) -> float:
    """Median ms of a synchronised call."""
    return median(measurement.latency_ns) / 1e6


def throughput(measurement: Measurement) -> float:
    """Samples per second of back-to-back calls: the median over blocks."""
    per_block = measurement.calls_per_block * measurement.batch_size
    return per_block / (median(measurement.block_ns) / 1e9)


def latency_by_turn(measurement: Measurement) -> dict[int, float]:
    """Median ms of a synchronised call in each turn; empty for a run alone."""
    turns = _by_turn(measurement.latency_ns, measurement.latency_turns)
    return {turn: median(times) / 1e6 for turn, times in turns.items()}


def throughput_by_turn(measurement: Measurement) -> dict[int, float]:
    """Samples per second of the blocks in each turn; empty for a run alone."""
    per_block = measurement.calls_per_block * measurement.batch_size
    turns = _by_turn(measurement.block_ns, measurement.block_turns)
    return {turn: per_block / (median(times) / 1e9) for turn, times in turns.items()}


def _by_turn(times: Sequence[int], turns: Sequence[int]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for time, turn in zip(times, turns, strict=False):
        groups[turn].append(time)
    return groups


def waited(measurement: Measurement) -> set[int]:
    """The turns in which its main thread waited for a processor for more than a tenth of the time.

    Others used the processors meanwhile, or it has more threads than there are: then all of them.
    """
    passed_ns = dict(zip(measurement.turns, measurement.unscored_ns, strict=False))
    kinds = (
        (measurement.latency_turns, measurement.latency_ns),
        (measurement.block_turns, measurement.block_ns),
    )
    for turns, times_ns in kinds:
        for turn, ns in zip(turns, times_ns, strict=False):
            passed_ns[turn] = passed_ns.get(turn, 0) + ns
    waits = zip(measurement.turns, measurement.turn_wait_ns, strict=False)
    return {turn for turn, ns in waits if ns > MOST_WAITED * passed_ns.get(turn, 0)}


@dataclass(frozen=True)
class Objective:
    """What is optimised; `direction` is Optuna's word. by_turn: the same for each turn of a run."""

    name: str
    of: Callable[[Measurement], float]
    by_turn: Callable[[Measurement], dict[int, float]]
    direction: Literal["minimize", "maximize"]
    unit: str

    def log_cost(self, value: float) -> float:
        """Its logarithm, turned so that less is better: differences are ratios of values."""
        return math.log(value) if self.direction == "minimize" else -math.log(value)

    def of_log_cost(self, log_cost: float) -> float:
        """The reverse of `log_cost`."""
        return math.exp(log_cost if self.direction == "minimize" else -log_cost)

    def log_ratio(self, mine: Measurement, other: Measurement) -> float:
        """log(cost of mine / cost of the other): the median over the turns that both had.

        A turn in which either waited for a processor is left out for both, unless that leaves fewer
        than half. Where they share none, because either was alone, of the runs as they are.
        """
        own, others = self.by_turn(mine), self.by_turn(other)
        shared = own.keys() & others.keys()
        if not shared:
            return self.log_cost(self.of(mine)) - self.log_cost(self.of(other))
        calm = shared - waited(mine) - waited(other)
        turns = calm if 2 * len(calm) >= len(shared) else shared
        return median([self.log_cost(own[t]) - self.log_cost(others[t]) for t in turns])

    def speedup(self, value: float, baseline: float) -> float:
        """How many times better than the baseline: above 1 is better."""
        return baseline / value if self.direction == "minimize" else value / baseline


OBJECTIVES = {
    "latency": Objective("latency", latency, latency_by_turn, "minimize", "ms"),
    "throughput": Objective("throughput", throughput, throughput_by_turn, "maximize", "samples/s"),
}


def objective_of(name: str, batch: bool) -> Objective:
    """batch: has the model samples, and not only calls, to count?"""
    known = OBJECTIVES[name]
    return known if batch or known.unit != "samples/s" else replace(known, unit="calls/s")
