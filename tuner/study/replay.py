"""A study on recorded runs instead of workers: with another sampler, budget, seed or rule.

What was recorded is taken apart into levels, drift and rests (`evidence/world.py`). A replayed
study begins at a random moment of the recording and moves along it, run by run or heat by heat.
Each run that it asks for is a recorded run of that configuration, drawn at random, all its samples
scaled by one factor, so that its cost is its level, its rest and the drift of this moment: of a
heat the same for all of it. So the replayed world has a truth, which `World.truth` tells.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from ..evidence.conclude import conclude
from ..evidence.result import Result
from ..evidence.summary import Summary
from ..evidence.world import World, world
from ..options import AUTO, Setup, with_changes
from ..options import from_dict as setup_from_dict
from ..options import to_dict as setup_to_dict
from ..policy import WARMUP
from ..runs.heat import Tell
from ..runs.launcher import Launcher
from ..runs.member import Member
from ..runs.records import RecordedRun, Run, StudyRecord
from ..runs.store import MemoryStore
from ..space.model import Configuration, SearchSpace
from ..worker.protocol import Measurement, TrialSpec
from .heat_size import MOST
from .loop import Study
from .runner import Runner, Silent
from .sampler import Sampler

CLOCK_STARTS = datetime(2000, 1, 1, tzinfo=timezone.utc)
NOWHERE = Path("/nonexistent")


class Replay:
    """What stands for the processes of a replayed study: its runs alone, and its heats."""

    def __init__(
        self,
        world: World,
        seed: int,
        noise: float = 1.0,
        instead: Callable[[Configuration], tuple[Configuration, float]] | None = None,
    ) -> None:
        """noise: a factor on drift and rests. instead: configuration -> which one's runs answer
        for it, and what is added to their log(cost): for an A/A check, or a planted gain."""
        self._world, self._noise, self._instead = world, noise, instead
        self._random = random.Random(seed)
        self._moment = self._random.randrange(len(world.drift))
        self._clock, self._drawn = CLOCK_STARTS, 0
        self._companions: dict[int, float] = {}  # number -> its rest, as long as it lives

    def run(self, spec: TrialSpec) -> Run:
        """A run alone. Raises KeyError for a configuration that was not recorded."""
        return self._passed(self._drawn_run(spec, self._next_drift()))

    def draw(self, configuration: Configuration) -> Run:
        """A run alone of a configuration. Raises KeyError as `run` does."""
        return self._passed(self._draw(configuration, self._next_drift()))

    def measure(
        self,
        number: int,
        wanted: Sequence[tuple[Launcher, TrialSpec]],
        companions: Sequence[Member] = (),
        tell: Tell = lambda _phase, _turn: None,
        at_once: int = 2,
    ) -> tuple[list[Run | None], list[Run]]:
        """A heat. Raises KeyError as `run` does."""
        del tell, at_once
        drift = self._next_drift()
        runs = [self._drawn_run(replace(spec, heat=number), drift) for _, spec in wanted]
        parts = [
            self._drawn_run(
                replace(member.spec, heat=number), drift, self._companions[member.spec.companion]
            )
            for member in companions
        ]
        began = self._clock
        for run in runs:
            self._passed(run)
        places = [timedelta(microseconds=place) for place in range(len(runs) + len(parts))]
        made = [
            replace(run, started_at=began + place)
            for run, place in zip([*runs, *parts], places, strict=True)
        ]
        return [*made[: len(runs)]], made[len(runs) :]

    @contextlib.contextmanager
    def companion(self, launcher: Launcher, spec: TrialSpec) -> Iterator[Member]:
        """A run of the baseline that is the same in every heat."""
        key = self._world.key(_configuration(spec))
        self._companions[spec.companion] = self._random.choice(self._world.parts[key]).rest
        yield Member(launcher, spec, NOWHERE, out=True)

    def _next_drift(self) -> float:
        self._moment = (self._moment + 1) % len(self._world.drift)
        return self._noise * self._world.drift[self._moment]

    def _drawn_run(self, spec: TrialSpec, drift: float, rest: float | None = None) -> Run:
        run = self._draw(_configuration(spec), drift, rest)
        measurement = run.result.measurement
        if measurement is not None:
            measurement = in_one_turn(measurement) if spec.heat else alone(measurement)
        return replace(run, spec=spec, result=replace(run.result, measurement=measurement))

    def _draw(self, configuration: Configuration, drift: float, rest: float | None = None) -> Run:
        """A recorded run, brought to the cost of this moment. rest: None for its own."""
        added = 0.0
        if self._instead is not None:
            configuration, added = self._instead(configuration)
        key = self._world.key(configuration)
        self._drawn += 1
        if key in self._world.failed:
            run = self._world.failed[key].run
            return replace(run, uid=f"{run.uid}-{self._drawn}")
        part = self._random.choice(self._world.parts[key])
        run, measurement = part.recorded.run, part.recorded.measurement
        assert measurement is not None
        own = part.rest if rest is None else rest
        log_cost = part.level + added + drift + self._noise * own
        objective = self._world.objective
        before = objective.log_cost(objective.of(measurement))
        result = replace(run.result, measurement=scaled(measurement, math.exp(log_cost - before)))
        return replace(run, uid=f"{run.uid}-{self._drawn}", result=result)

    def _passed(self, run: Run) -> Run:
        """The run at this time, which passes."""
        began, self._clock = self._clock, self._clock + timedelta(microseconds=run.wall_ns // 1000)
        return replace(run, started_at=began)


def _configuration(spec: TrialSpec) -> Configuration:
    return {knob.name: knob.value for knob in spec.knobs}


def in_one_turn(measurement: Measurement) -> Measurement:
    """As of a heat of one turn: its ratio to another is that of their medians."""
    return replace(
        measurement,
        latency_turns=[0] * len(measurement.latency_ns),
        block_turns=[0] * len(measurement.block_ns),
        turns=[0],
    )


def alone(measurement: Measurement) -> Measurement:
    """As of a run alone."""
    return replace(measurement, latency_turns=[], block_turns=[], turns=[])


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
    keys = [world.meanings.unset, *(dict(key) for key in (*world.parts, *world.failed))]
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
    source: Replay,
    setup: Setup,
    sampler: Sampler | None = None,
) -> Summary:
    """A whole study on recorded runs, confirmation included. sampler: seed -> Optuna's sampler."""
    space = only_recorded(world)
    setup = replace(setup, heat_size=heat_size(world, setup))
    changed = replace(record, setup=setup_to_dict(setup))
    runner = Runner(
        changed, setup, space, MemoryStore(), source.run, Silent(), lambda: False, NOWHERE,
        Launcher("", NOWHERE), heats=source,
    )  # fmt: skip
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
    setup = with_changes(replace(stored, seed=seed, ablate=False), changes)
    source = world(record, runs, setup.objective)
    answers = Replay(source, seed, noise)
    return conclude(replayed(record, source, answers, setup, sampler))


def heat_size(source: World, setup: Setup) -> int:
    """In turns where it was recorded so, of as many as then unless it says how many."""
    if not source.in_turns:
        return 1
    return setup.heat_size or MOST if setup.heat == AUTO else int(setup.heat)
