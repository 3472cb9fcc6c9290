"""Recorded runs taken apart: the level of each configuration, what the host did, what is left.

    log(cost of a run) = level of its configuration + drift of the host at that moment + rest

A moment is a heat, or a run that was alone. In a heat the drift is what all of it have in common,
the companion included, turn by turn; of runs alone it is what those about it have in common.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import UsageError
from ..runs.records import RecordedRun, StudyRecord
from ..space.model import Configuration, SearchSpace
from ..space.model import from_dict as space_from_dict
from ..worker.protocol import Measurement, Outcome, Role
from .meanings import Meanings, meanings
from .objectives import OBJECTIVES, Objective
from .stats import median

DRIFT_RUNS = 7  # on either side: what these have in common is the drift of a run alone
ROUNDS = 5  # of levels by drift and drift by levels, until neither moves
Key = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Part:
    """A recorded run. rest: of its log(cost), what neither configuration nor moment explains."""

    recorded: RecordedRun
    level: float
    rest: float


@dataclass(frozen=True)
class World:
    """What can be drawn: parts of the good runs by configuration, the failed runs, the drift.

    drift: of every moment of the recording, in its order. in_turns: are the moments heats?
    """

    space: SearchSpace
    objective: Objective
    meanings: Meanings
    parts: dict[Key, tuple[Part, ...]]
    failed: dict[Key, RecordedRun]
    drift: tuple[float, ...]
    in_turns: bool

    def key(self, configuration: Configuration) -> Key:
        """Which configuration it is, warm-up aside."""
        return tuple(self.meanings.identity(self.space, configuration).items())

    def truth(self, configuration: Configuration) -> float:
        """log(cost): the level that the runs of a configuration are scattered about."""
        return self.parts[self.key(configuration)][0].level

    def log_speedup(self, better: Configuration, base: Configuration, noise: float = 1.0) -> float:
        """The true median of log(cost of `base` / cost of `better`) over pairs of drawn runs."""
        mine, theirs = (self.parts[self.key(side)] for side in (better, base))
        rests = [noise * (b.rest - a.rest) for a in mine for b in theirs]
        return theirs[0].level - mine[0].level + median(rests)


@dataclass(frozen=True)
class Cost:
    """One good run. key: None for a companion, which is a ruler and answers for nothing."""

    key: Key | None
    recorded: RecordedRun
    log_cost: float


def world(record: StudyRecord, runs: Sequence[RecordedRun], objective: str = "") -> World:
    """Take a recording, or a stored study, apart. objective: "" for the study's own.

    Where it has heats, by these alone. Raises UsageError where nothing ran well.
    """
    chosen = OBJECTIVES[objective or record.setup["objective"]]
    space = space_from_dict(record.space)
    meant = meanings(space, runs)

    def key(configuration: Configuration) -> Key:
        return tuple(meant.identity(space, configuration).items())

    costs = [
        Cost(
            None if r.role == Role.COMPANION else key(r.configuration),
            r,
            chosen.log_cost(chosen.of(measurement)),
        )
        for r in runs
        if (measurement := r.measurement) is not None
    ]
    heats = _heats(costs)
    if heats:
        parts, drift = _by_heats(heats, chosen)
    else:
        parts, drift = _by_neighbours([cost for cost in costs if cost.key is not None])
    if not parts:
        raise UsageError(f"study {record.name!r} has no good run: there is nothing to replay")
    failed = {
        of: r
        for r in runs
        if r.measurement is None
        and r.outcome != Outcome.ENVIRONMENT_ERROR
        and (of := key(r.configuration)) not in parts
    }
    return World(space, chosen, meant, parts, failed, tuple(drift), bool(heats))


def _heats(costs: Sequence[Cost]) -> list[list[Cost]]:
    """Those of two runs at least, a companion among them or not, in their order."""
    heats: dict[int, list[Cost]] = defaultdict(list)
    for cost in costs:
        heats[cost.recorded.run.spec.heat].append(cost)
    heats.pop(0, None)  # of runs alone
    return [heats[number] for number in sorted(heats) if len(heats[number]) > 1]


Parts = dict[Key, tuple[Part, ...]]


def _by_heats(heats: Sequence[Sequence[Cost]], objective: Objective) -> tuple[Parts, list[float]]:
    """By ratios to the first of each heat, turn by turn, and what each of it has in common."""
    ratios = [_ratios(heat, objective) for heat in heats]
    levels = _levels([(c.key, c.log_cost) for heat in heats for c in heat])
    common: list[float] = []
    for _ in range(ROUNDS):
        common = [
            median([ratio - levels[c.key] for c, ratio in zip(heat, own, strict=True)])
            for heat, own in zip(heats, ratios, strict=True)
        ]
        levels = _levels(
            [
                (c.key, ratio - shared)
                for heat, own, shared in zip(heats, ratios, common, strict=True)
                for c, ratio in zip(heat, own, strict=True)
            ]
        )
    parts: dict[Key, list[Part]] = defaultdict(list)
    for heat, own, shared in zip(heats, ratios, common, strict=True):
        # What a heat has in common holds a share of each rest: they come out too small by that.
        widened = _widened(len(heat))
        for c, ratio in zip(heat, own, strict=True):
            if c.key is not None:
                level = levels[c.key]
                parts[c.key].append(Part(c.recorded, level, widened * (ratio - shared - level)))
    drift = [median([c.log_cost - levels[c.key] for c in heat]) for heat in heats]
    return _known_by_few(parts), drift


def _widened(count: int) -> float:
    """What the deviations of so many values from their middle are too small by."""
    return math.sqrt(count / (count - 1)) if count > 1 else 1.0


def _known_by_few(parts: Mapping[Key, Sequence[Part]]) -> Parts:
    """With the rests that they have from what is true, not from what a few runs make of it."""
    return {
        key: tuple(replace(part, rest=_widened(len(own)) * part.rest) for part in own)
        for key, own in parts.items()
    }


def _ratios(heat: Sequence[Cost], objective: Objective) -> list[float]:
    """log(cost / cost of the first), of each."""
    measurements = [c.recorded.measurement for c in heat]
    good: list[Measurement] = [m for m in measurements if m is not None]
    return [objective.log_ratio(m, good[0]) for m in good]


def _by_neighbours(costs: Sequence[Cost]) -> tuple[Parts, list[float]]:
    """By medians in turn: of each configuration, and of the runs about each."""
    drift, levels = [0.0] * len(costs), _levels([(c.key, c.log_cost) for c in costs])
    for _ in range(2):
        levels = _levels(
            [(c.key, c.log_cost - moved) for c, moved in zip(costs, drift, strict=True)]
        )
        left = [c.log_cost - levels[c.key] for c in costs]
        around = range(len(left))
        drift = [median(left[max(0, i - DRIFT_RUNS) : i + DRIFT_RUNS + 1]) for i in around]
    parts: dict[Key, list[Part]] = defaultdict(list)
    for c, moved in zip(costs, drift, strict=True):
        if c.key is not None:
            level = levels[c.key]
            parts[c.key].append(Part(c.recorded, level, c.log_cost - moved - level))
    return _known_by_few(parts), drift


def _levels(values: Sequence[tuple[Key | None, float]]) -> dict[Key | None, float]:
    groups: dict[Key | None, list[float]] = defaultdict(list)
    for key, value in values:
        groups[key].append(value)
    return {key: median(own) for key, own in groups.items()}
