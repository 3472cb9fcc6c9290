"""The companion of a search as its ruler: every run beside it as a ratio, whichever companion.

What a companion is worth cancels between the runs that were measured beside it. Between two
companions it does not: the step from one to the next is measured, by a heat that both were in, or,
where one has died, by fresh runs of the baseline beside either.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..runs.records import RecordedRun
from ..worker.protocol import Measurement, Role
from .objectives import Objective
from .stats import median

RUNS_FOR_STEP = 3  # of the baseline beside a companion whose predecessor has died
MOVED = 0.05  # what a companion may move against fresh runs of the baseline


@dataclass(frozen=True)
class Companion:
    """One process. level: its log(cost) against the first companion's.

    apart: it never overlapped with the one before, so that the step to it is known by fresh runs of
    the baseline only; error: its standard error then, else 0.
    baselines: log(cost / its cost) of each fresh run of the baseline beside it, in their order.
    """

    number: int
    level: float
    apart: bool
    error: float
    baselines: tuple[float, ...]

    @property
    def has_moved(self) -> bool:
        """Do the last two fresh baseline runs say that it is not what it was?"""
        if len(self.baselines) < RUNS_FOR_STEP + 2:
            return False
        usual = median(self.baselines[:-2])
        moves = [value - usual for value in self.baselines[-2:]]
        return min(moves) > math.log1p(MOVED) or max(moves) < -math.log1p(MOVED)


@dataclass(frozen=True)
class Ruler:
    """A search in turns. relative: uid of a run -> log(cost) against the first companion.

    baseline: the median of that over fresh runs of the baseline at the default batch size.
    unit: log(cost) of the median of those runs. spread: of their ratios, a standard deviation.
    host: the same of a companion's own cost from heat to heat, what the host moved by.
    """

    relative: dict[str, float]
    companions: tuple[Companion, ...]
    baseline: float | None = None
    unit: float = 0.0
    spread: float | None = None
    host: float | None = None

    def log_cost(self, uid: str) -> float | None:
        """In the objective's own unit: the ratio to the baseline, times what that takes."""
        if uid not in self.relative or self.baseline is None:
            return None
        return self.relative[uid] - self.baseline + self.unit


Parts = dict[int, dict[int, Measurement]]  # heat -> companion -> its part


def ruler(runs: Sequence[RecordedRun], baseline: object, objective: Objective) -> Ruler:
    """Of all runs of a study, empty where they were alone.

    baseline: its configuration at the default batch size.
    """
    parts: Parts = {}
    for recorded in runs:
        if recorded.role == Role.COMPANION and recorded.measurement is not None:
            spec = recorded.run.spec
            parts.setdefault(spec.heat, {})[spec.companion] = recorded.measurement
    beside = [
        (recorded, recorded.run.spec.heat, measurement)
        for recorded in runs
        if recorded.role in (Role.BASELINE, Role.SEARCH)
        and recorded.run.spec.heat in parts
        and (measurement := recorded.measurement) is not None
    ]
    of_baseline = [(h, m) for r, h, m in beside if r.configuration == baseline]
    companions = _companions(parts, of_baseline, objective)
    levels = {companion.number: companion.level for companion in companions}
    relative = {}
    for recorded, heat, measurement in beside:
        first = min(parts[heat])
        ratio = objective.log_ratio(measurement, parts[heat][first])
        relative[recorded.run.uid] = ratio + levels[first]
    fresh = [(r, m) for r, _, m in beside if r.configuration == baseline]
    if not fresh:
        return Ruler(relative, companions)
    ratios = [relative[recorded.run.uid] for recorded, _ in fresh]
    return Ruler(
        relative=relative,
        companions=companions,
        baseline=median(ratios),
        unit=median([objective.log_cost(objective.of(m)) for _, m in fresh]),
        spread=_deviation(ratios),
        host=_host(parts, objective),
    )


def _companions(
    parts: Parts, baselines: Sequence[tuple[int, Measurement]], objective: Objective
) -> tuple[Companion, ...]:
    """In their order, each on the level of the first."""
    numbers = sorted({number for heat in parts.values() for number in heat})
    companions: list[Companion] = []
    for number in numbers:
        own = tuple(
            objective.log_ratio(measurement, parts[heat][number])
            for heat, measurement in baselines
            if number in parts[heat]
        )
        level, apart, error = 0.0, False, 0.0
        if companions:
            level, apart, error = _step(companions, number, own, parts, objective)
        companions.append(Companion(number, level, apart, error, own))
    return tuple(companions)


def _step(
    before: Sequence[Companion],
    number: int,
    own: Sequence[float],
    parts: Parts,
    objective: Objective,
) -> tuple[float, bool, float]:
    """(level, apart, error) of a further companion."""
    last = before[-1]
    shared = [part for part in parts.values() if last.number in part and number in part]
    if shared:
        steps = [objective.log_ratio(part[number], part[last.number]) for part in shared]
        return last.level + median(steps), False, 0.0
    if not own or not any(companion.baselines for companion in before):
        return last.level, True, math.inf
    earlier = [value + c.level for c in before for value in c.baselines]
    spread = _deviation([*(v - median(earlier) for v in earlier), *(v - median(own) for v in own)])
    error = (spread or 0.0) * math.sqrt(1 / len(earlier) + 1 / len(own))
    return median(earlier) - median(own), True, error


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) >= RUNS_FOR_STEP else None


def _host(parts: Parts, objective: Objective) -> float | None:
    """Of the companion that was in most heats: another one is another process."""
    costs: dict[int, list[float]] = {}
    for heat in parts.values():
        for number, part in heat.items():
            costs.setdefault(number, []).append(objective.log_cost(objective.of(part)))
    return _deviation(max(costs.values(), key=len)) if costs else None
