"""What a study has found: recorded runs -> configurations with their values, ranked.

Pure functions of the store's content, so that an old study can be judged again by a better rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .. import options
from ..options import Setup
from ..runs.records import RecordedRun, StudyRecord
from ..space import model
from ..space.model import Configuration, SearchSpace, Value
from ..worker.protocol import Outcome, Role
from .intervals import Look, looks
from .meanings import Meanings, meanings
from .measured import Measured, find, grouped, ranked
from .noise import RUNS_FOR_SPREAD, relative_spread
from .objectives import Objective, objective_of
from .ruler import Ruler, ruler

SEARCH_ROLES = (Role.BASELINE, Role.SEARCH)
CONFIRMATION_ROLES = (Role.CONFIRM, Role.HOLD_OUT, Role.ABLATION)
Key = frozenset[tuple[str, Value]]


@dataclass(frozen=True)
class CurvePoint:
    """Baseline and best configuration at one batch size."""

    batch_size: int
    baseline: Measured | None
    best: Measured | None


@dataclass(frozen=True)
class Summary:
    """A study's findings. `best` is the best single-study value, not yet a confirmed claim.

    confirmation_runs: of the search as long as it is now. meanings: what values turned out to be.
    disturbed: uids of runs with witnesses of a disturbance. ruler: what the search's runs are
    measured by, where they were beside a companion.
    """

    study: StudyRecord
    space: SearchSpace
    objective: Objective
    measured: tuple[Measured, ...]
    baseline: Measured | None
    best: Measured | None
    curve: tuple[CurvePoint, ...]
    failures: Counter[str]
    trials_done: int
    confirmation_runs: tuple[RecordedRun, ...]
    meanings: Meanings
    disturbed: frozenset[str]
    ruler: Ruler

    @cached_property
    def options(self) -> Setup:
        """What was asked for."""
        return options.from_dict(self.study.setup)

    @property
    def inert_settings(self) -> dict[str, str]:
        """What did nothing, such as `threads=1`, with what it reads back as."""
        inert = self.meanings.inert.items()
        return {f"{name}={value}": f"{back.value} ({back.how})" for (name, value), back in inert}

    @property
    def failing_settings(self) -> dict[str, str]:
        """What is left out for the rest of the study, with the line of its last failure."""
        failing = self.meanings.failing.items()
        return {f"{name}={value}": line for (name, value), line in failing}

    @property
    def limit_ms(self) -> float | None:
        """What no configuration's latency may exceed."""
        return self.options.max_latency_ms

    @property
    def baseline_spread(self) -> float | None:
        """Of the search's good runs of the baseline, against their companion where they have one.

        None for fewer than three.
        """
        if self.in_turns:
            return self.ruler.spread
        values = [self.value(r) for r in self.baseline.good] if self.baseline else []
        return relative_spread(values) if len(values) >= RUNS_FOR_SPREAD else None

    @property
    def in_turns(self) -> bool:
        """Is it measured in heats? An earlier version's studies are not, nor one of heats of 1."""
        return self.options.heat_size > 1

    @cached_property
    def looks(self) -> tuple[Look, ...]:
        """After how many pairs the hold-out may end; none where no confirmation is wanted."""
        return looks(self.options, self.baseline_spread)

    @cached_property
    def _values(self) -> dict[str, float]:
        return {}

    def value(self, recorded: RecordedRun) -> float:
        """Of the objective, computed once, of a run that measured something.

        Beside a companion: the ratio to the baseline, times what the baseline takes.
        """
        uid = recorded.run.uid
        if uid not in self._values:
            self._values[uid] = _value(recorded, self.objective, self.ruler)
        return self._values[uid]

    @cached_property
    def _fresh(self) -> dict[tuple[Role, int, Key], list[RecordedRun]]:
        fresh: dict[tuple[Role, int, Key], list[RecordedRun]] = {}
        for recorded in self.confirmation_runs:
            if recorded.outcome != Outcome.ENVIRONMENT_ERROR:
                key = _key(self.identity(recorded.configuration))
                fresh.setdefault((recorded.role, recorded.block, key), []).append(recorded)
        for runs in fresh.values():
            runs.sort(key=lambda recorded: recorded.run.uid in self.disturbed)
        return fresh

    def fresh_runs(
        self, identity: Configuration, role: Role, block: int | None = None
    ) -> list[RecordedRun]:
        """A configuration's runs that say something about it, the disturbed of a block last.

        Of one block, or of all.
        """
        key = _key(identity)
        if block is not None:
            return self._fresh.get((role, block, key), [])
        blocks = self._fresh.items()
        return [r for (of, _, own), runs in blocks if (of, own) == (role, key) for r in runs]

    def done(self, role: Role) -> int:
        """How many of a role's runs are recorded, a repeated one counted once."""
        return sum(of == role for of, _, _ in self._fresh)

    def identity(self, configuration: Configuration) -> Configuration:
        """Which configuration this is: without warm-up, unset where it names the same."""
        return self.meanings.identity(self.space, configuration)

    def measured_of(self, identity: Configuration) -> Measured | None:
        """What the search measured of a configuration."""
        return find(self.measured, identity)

    def baseline_at(self, batch_size: int | None) -> Measured | None:
        """The baseline's settings at a batch size."""
        return self.measured_of(self.identity(self.space.baseline(batch_size)))

    def speedup(self, measured: Measured) -> float | None:
        """How many times better than the baseline at the same batch size."""
        baseline = self.baseline_at(measured.batch_size)
        if baseline is None or not baseline.value or not measured.value:
            return None
        return self.objective.speedup(measured.value, baseline.value)


def summarize(study: StudyRecord, runs: Sequence[RecordedRun]) -> Summary:
    """Group the runs by configuration and rank them."""
    space, setup = model.from_dict(study.space), options.from_dict(study.setup)
    objective = objective_of(setup.objective, batch=not study.facts.probe.no_batch)
    limit_ms = setup.max_latency_ms
    meant, disturbed = meanings(space, runs), disturbed_among(runs)
    trials_done = len(finished_trials(runs))
    scale = ruler(runs, space.baseline(), objective)
    beside = frozenset(scale.relative)
    measured = tuple(
        grouped(
            identity, group, objective, disturbed, lambda r: _value(r, objective, scale), beside
        )
        for identity, group in _groups(space, meant, runs)
    )

    def baseline_at(batch_size: int | None) -> Measured | None:
        return find(measured, meant.identity(space, space.baseline(batch_size)))

    def best_at(batch_size: int | None) -> Measured | None:
        here = [m for m in measured if m.batch_size == batch_size]
        return next(iter(ranked(here, objective, limit_ms)), None)

    any_batch = next(iter(ranked(measured, objective, limit_ms)), None)
    batches = sorted({m.batch_size for m in measured if m.batch_size is not None})
    return Summary(
        study=study,
        space=space,
        objective=objective,
        measured=measured,
        baseline=baseline_at(None),
        best=best_at(space.default_batch()) if objective.direction == "minimize" else any_batch,
        curve=tuple(CurvePoint(size, baseline_at(size), best_at(size)) for size in batches),
        failures=Counter(r.outcome.value for r in runs if not r.ok),
        trials_done=trials_done,
        confirmation_runs=tuple(
            r
            for r in runs
            if r.role in CONFIRMATION_ROLES and r.run.spec.after_trials == trials_done
        ),
        meanings=meant,
        disturbed=disturbed,
        ruler=scale,
    )


def _value(recorded: RecordedRun, objective: Objective, scale: Ruler) -> float:
    assert recorded.measurement is not None
    log_cost = scale.log_cost(recorded.run.uid)
    if log_cost is None:
        return objective.of(recorded.measurement)
    return objective.of_log_cost(log_cost)


def _groups(
    space: SearchSpace, meant: Meanings, runs: Sequence[RecordedRun]
) -> list[tuple[Configuration, list[RecordedRun]]]:
    """The search's runs that say something, by the configuration that they are runs of."""
    groups: dict[Key, tuple[Configuration, list[RecordedRun]]] = {}
    for recorded in runs:
        if recorded.role in SEARCH_ROLES and recorded.outcome != Outcome.ENVIRONMENT_ERROR:
            identity = meant.identity(space, recorded.configuration)
            groups.setdefault(_key(identity), (identity, []))[1].append(recorded)
    return list(groups.values())


def _key(identity: Configuration) -> Key:
    return frozenset(identity.items())


def disturbed_among(runs: Sequence[RecordedRun]) -> frozenset[str]:
    """The uids of the runs that something from outside disturbed."""
    return frozenset(r.run.uid for r in runs if r.disturbed)


def finished_trials(runs: Sequence[RecordedRun]) -> set[int]:
    """Trials with a run that says something about their configuration."""
    return {r.trial for r in runs if r.outcome != Outcome.ENVIRONMENT_ERROR}
