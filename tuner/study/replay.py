"""A study on recorded runs instead of workers: with another sampler, budget, seed or rule.

A recorded run is taken apart into the level of its configuration, the drift of the host at that
moment (what the runs about it have in common) and what is left, its spikes included. A replayed
study begins at a random moment of the recording and moves along it run by run: each run that it
asks for is a recorded run of that configuration, drawn at random, all its samples scaled by one
factor, from the drift of its own moment to the drift of this one. So the replayed world has a
truth, which `truth` tells.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..evidence.conclude import conclude
from ..evidence.objectives import OBJECTIVES
from ..evidence.result import Result
from ..evidence.stats import median
from ..evidence.summary import Summary, identify, resolve_unset
from ..options import Setup, with_changes
from ..options import from_dict as setup_from_dict
from ..options import to_dict as setup_to_dict
from ..policy import WARMUP
from ..runs.records import RecordedRun, Run, StudyRecord
from ..runs.store import MemoryStore
from ..space.model import Configuration, SearchSpace
from ..space.model import from_dict as space_from_dict
from ..worker.protocol import Measurement, Outcome, Role, TrialSpec
from .loop import Study
from .runner import Runner, Silent
from .sampler import Sampler

CLOCK_STARTS = datetime(2000, 1, 1, tzinfo=timezone.utc)
DRIFT_RUNS = 7  # on either side: the drift of a moment is the median of what these have in common
Key = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Part:
    """A recorded run taken apart: log(cost) = level of its configuration + drift + rest."""

    recorded: RecordedRun
    level: float
    drift: float
    rest: float


@dataclass(frozen=True)
class World:
    """What can be drawn: parts of the good runs by configuration, the failed runs, the drift.

    drift: of every moment of the recording, in its order.
    """

    space: SearchSpace
    resolved: Configuration
    parts: dict[Key, tuple[Part, ...]]
    failed: dict[Key, RecordedRun]
    drift: tuple[float, ...]

    def key(self, configuration: Configuration) -> Key:
        """Which configuration it is, warm-up aside."""
        return tuple(identify(self.space, configuration, self.resolved).items())

    def truth(self, configuration: Configuration) -> float:
        """log(cost): the level that the runs of a configuration are scattered about."""
        return self.parts[self.key(configuration)][0].level

    def log_speedup(self, better: Configuration, base: Configuration, noise: float = 1.0) -> float:
        """The true median of log(cost of `base` / cost of `better`) over pairs of drawn runs."""
        mine, theirs = (self.parts[self.key(side)] for side in (better, base))
        rests = [noise * (b.rest - a.rest) for a in mine for b in theirs]
        return theirs[0].level - mine[0].level + median(rests)


def world(record: StudyRecord, runs: Sequence[RecordedRun], objective: str = "") -> World:
    """Take a recording, or a stored study, apart. objective: "" for the study's own."""
    chosen = OBJECTIVES[objective or record.setup["objective"]]
    space = space_from_dict(record.space)
    resolved = resolve_unset(space, runs)
    runs = [recorded for recorded in runs if recorded.role != Role.COMPANION]
    keys = [tuple(identify(space, r.configuration, resolved).items()) for r in runs]
    good = [(k, r, m) for k, r in zip(keys, runs, strict=True) if (m := r.measurement)]
    if not good:
        raise UsageError(f"study {record.name!r} has no good run: there is nothing to replay")
    costs = [(key, chosen.log_cost(chosen.of(measurement))) for key, _, measurement in good]
    levels, drift = _taken_apart(costs)
    parts: dict[Key, list[Part]] = {}
    for (key, recorded, _), (_, cost), moved in zip(good, costs, drift, strict=True):
        part = Part(recorded, levels[key], moved, cost - moved - levels[key])
        parts.setdefault(key, []).append(part)
    failed = {
        k: r
        for k, r in zip(keys, runs, strict=True)
        if k not in parts and r.outcome != Outcome.ENVIRONMENT_ERROR
    }
    return World(space, resolved, {k: tuple(p) for k, p in parts.items()}, failed, tuple(drift))


def _taken_apart(costs: Sequence[tuple[Key, float]]) -> tuple[dict[Key, float], list[float]]:
    """Level of each configuration and drift of each moment, by medians in turn."""
    drift = [0.0] * len(costs)
    levels: dict[Key, float] = {}
    for _ in range(2):
        groups: dict[Key, list[float]] = {}
        for (key, cost), moved in zip(costs, drift, strict=True):
            groups.setdefault(key, []).append(cost - moved)
        levels = {key: median(values) for key, values in groups.items()}
        left = [cost - levels[key] for key, cost in costs]
        around = range(len(left))
        drift = [median(left[max(0, i - DRIFT_RUNS) : i + DRIFT_RUNS + 1]) for i in around]
    return levels, drift


class Replay:
    """The launcher of a replayed study."""

    def __init__(
        self,
        world: World,
        seed: int,
        noise: float = 1.0,
        instead: Callable[[Configuration], tuple[Configuration, float]] | None = None,
    ) -> None:
        """noise: a factor on drift and scatter. instead: configuration -> which one's runs answer
        for it, and what is added to their log(time): for an A/A check, or a planted gain."""
        self._world, self._noise, self._instead = world, noise, instead
        self._random = random.Random(seed)
        self._moment = self._random.randrange(len(world.drift))
        self._clock, self._drawn = CLOCK_STARTS, 0

    def run(self, spec: TrialSpec) -> Run:
        """The answer to a spec. Raises KeyError for a configuration that was not recorded."""
        return replace(self.draw({knob.name: knob.value for knob in spec.knobs}), spec=spec)

    def draw(self, configuration: Configuration) -> Run:
        """One run of a configuration, at the next moment. Raises KeyError as `run` does."""
        added = 0.0
        if self._instead is not None:
            configuration, added = self._instead(configuration)
        key = self._world.key(configuration)
        if key in self._world.failed:
            return self._world.failed[key].run
        part = self._random.choice(self._world.parts[key])
        self._moment = (self._moment + 1) % len(self._world.drift)
        scatter = self._noise * (self._world.drift[self._moment] + part.rest)
        run = part.recorded.run
        assert run.result.measurement is not None
        factor = math.exp(added + scatter - part.drift - part.rest)
        measurement = scaled(run.result.measurement, factor)
        began, self._clock = self._clock, self._clock + timedelta(microseconds=run.wall_ns // 1000)
        self._drawn += 1
        uid = f"{run.uid}-{self._drawn}"
        result = replace(run.result, measurement=measurement)
        return replace(run, uid=uid, started_at=began, result=result)


def scaled(measurement: Measurement, factor: float) -> Measurement:
    """Every time multiplied."""

    def times(values: Sequence[int]) -> list[int]:
        return [max(1, round(value * factor)) for value in values]

    return replace(
        measurement,
        warmup_ns=times(measurement.warmup_ns),
        dispatch_ns=times(measurement.dispatch_ns),
        latency_ns=times(measurement.latency_ns),
        block_ns=times(measurement.block_ns),
    )


def only_recorded(world: World) -> SearchSpace:
    """The space with the values that were recorded; it refuses what was not."""
    keys = [world.resolved, *(dict(key) for key in (*world.parts, *world.failed))]
    values = {knob.name: {key.get(knob.name) for key in keys} for knob in world.space.knobs}
    knobs = tuple(
        knob
        if knob.name == WARMUP
        else replace(knob, domain=tuple(v for v in knob.domain if v in values[knob.name]))
        for knob in world.space.knobs
    )
    domains = {knob.name: knob.domain for knob in knobs}
    presets = {
        name: preset
        for name, preset in world.space.presets.items()
        if all(value in domains[knob] for knob, value in preset.items())
    }

    def refuses(configuration: Configuration) -> str:
        key = world.key(configuration)
        return "" if key in world.parts or key in world.failed else "it was not recorded"

    return replace(world.space, knobs=knobs, presets=presets, refuses=refuses)


def replayed(
    record: StudyRecord,
    world: World,
    launch: Callable[[TrialSpec], Run],
    setup: Setup,
    sampler: Sampler | None = None,
) -> Summary:
    """A whole study on recorded runs, confirmation included. sampler: seed -> Optuna's sampler."""
    space = only_recorded(world)
    changed = replace(record, setup=setup_to_dict(setup))
    nowhere = Path("/nonexistent")
    runner = Runner(changed, setup, space, MemoryStore(), launch, Silent(), lambda: False, nowhere)
    Study(runner, sampler=sampler).run()
    return runner.summary()


def replay(
    record: StudyRecord,
    runs: Sequence[RecordedRun],
    *,
    sampler: Sampler | None = None,
    noise: float = 1.0,
    seed: int = 0,
    **changes: Any,
) -> Result:
    """What the study would have found otherwise. changes: fields of its Setup, such as `trials`.

    Runs of a configuration that was measured once do not scatter: a confirmed study, or a recording
    of several rounds, has something to say. Raises UsageError for a setup that contradicts itself.
    """
    stored = setup_from_dict(record.setup)
    stored = replace(stored, seed=seed, ablate=False, heat="1", heat_size=1)
    setup = with_changes(stored, changes)
    source = world(record, runs, setup.objective)
    return conclude(replayed(record, source, Replay(source, seed, noise).run, setup, sampler))
