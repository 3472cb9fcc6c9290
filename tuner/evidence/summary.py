"""What a study has found: recorded runs -> configurations with their values, ranked.

Pure functions of the store's content, so that an old study can be judged again by a better rule.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..policy import BATCH_SIZE, WARMUP
from ..runs.records import RecordedRun, StudyRecord
from ..space import model
from ..space.model import Configuration, SearchSpace, Value
from ..worker.protocol import UNSET, Measurement, Outcome, Role
from .objectives import OBJECTIVES, Objective, latency
from .stats import median, relative_spread

RUNS_FOR_SPREAD = 3
DISTURBED = "disturbed"  # of a result's facts: by what
CONFIRMATION_ROLES = (Role.CONFIRM, Role.HOLD_OUT, Role.ABLATION)
Identity = tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Measured:
    """One configuration with all its runs; warm-up is not part of what it is.

    counted: the runs whose figures count.
    """

    configuration: Configuration
    runs: tuple[RecordedRun, ...]
    counted: tuple[RecordedRun, ...]
    outcome: Outcome
    value: float | None  # of the objective: the median over its good runs
    latency_ms: float | None

    @property
    def batch_size(self) -> int | None:
        """Samples per call; None where the space has no such knob."""
        size = self.configuration.get(BATCH_SIZE)
        return int(size) if size is not None else None

    @property
    def trials(self) -> list[int]:
        """The trials that measured it."""
        return sorted({recorded.trial for recorded in self.runs})

    def measurements(self) -> list[Measurement]:
        """What the runs that count measured."""
        found = [recorded.run.result.measurement for recorded in self.counted]
        return [measurement for measurement in found if measurement is not None]


@dataclass(frozen=True)
class CurvePoint:
    """Baseline and best configuration at one batch size."""

    batch_size: int
    baseline: Measured | None
    best: Measured | None


@dataclass(frozen=True)
class Summary:
    """A study's findings. `best` is the best single-study value, not yet a confirmed claim."""

    study: StudyRecord
    space: SearchSpace
    objective: Objective
    measured: tuple[Measured, ...]
    baseline: Measured | None
    best: Measured | None
    curve: tuple[CurvePoint, ...]
    failures: Counter[str]
    trials_done: int
    confirmation_runs: tuple[RecordedRun, ...]  # of the search as long as it is now
    resolved: Configuration  # what unset turned out to be
    disturbed: frozenset[str]  # uids of runs with witnesses of a disturbance

    @property
    def limit_ms(self) -> float | None:
        """What no configuration's latency may exceed."""
        limit: float | None = self.study.setup.get("max_latency_ms")
        return limit

    @property
    def baseline_spread(self) -> float | None:
        """Of the search's good runs of the baseline: standard deviation over mean.

        None for fewer than three.
        """
        runs = self.baseline.runs if self.baseline else ()
        found = [r.run.result.measurement for r in runs]
        values = [self.objective.of(m) for m in found if m is not None]
        return relative_spread(values) if len(values) >= RUNS_FOR_SPREAD else None

    def identity(self, configuration: Configuration) -> Configuration:
        """Which configuration this is: without warm-up, unset where it names the same."""
        return identify(self.space, configuration, self.resolved)

    def baseline_at(self, batch_size: int | None) -> Measured | None:
        """The baseline's settings at a batch size."""
        return _find(self.measured, self.space.baseline(batch_size))

    def speedup(self, one: Measured) -> float | None:
        """How many times better than the baseline at the same batch size."""
        baseline = self.baseline_at(one.batch_size)
        if baseline is None or not baseline.value or not one.value:
            return None
        return self.objective.speedup(one.value, baseline.value)


def summarize(study: StudyRecord, runs: Sequence[RecordedRun]) -> Summary:
    """Group the runs by configuration and rank them."""
    space = model.from_dict(study.space)
    objective = OBJECTIVES[study.setup["objective"]]
    resolved = resolve_unset(space, runs)
    groups: dict[Identity, list[RecordedRun]] = {}
    done = len(finished_trials(runs))
    confirmation_runs = tuple(
        recorded
        for recorded in runs
        if recorded.run.spec.role in CONFIRMATION_ROLES and recorded.run.spec.after_trials == done
    )
    for recorded in runs:
        if recorded.run.spec.role in CONFIRMATION_ROLES:
            continue
        if recorded.run.result.outcome != Outcome.ENVIRONMENT_ERROR:
            identity = identify(space, recorded.configuration, resolved)
            groups.setdefault(tuple(identity.items()), []).append(recorded)
    disturbed = disturbed_among(runs)
    measured = tuple(
        grouped(dict(key), group, objective, disturbed) for key, group in groups.items()
    )
    limit_ms = study.setup.get("max_latency_ms")
    batches = sorted({one.batch_size for one in measured if one.batch_size is not None})
    pinned_to_default = objective.direction == "minimize"
    return Summary(
        study=study,
        space=space,
        objective=objective,
        measured=measured,
        baseline=_find(measured, space.baseline()),
        best=_best(
            [m for m in measured if not pinned_to_default or m.batch_size == space.default_batch()],
            objective,
            limit_ms,
        ),
        curve=tuple(
            CurvePoint(
                batch,
                _find(measured, space.baseline(batch)),
                _best([m for m in measured if m.batch_size == batch], objective, limit_ms),
            )
            for batch in batches
        ),
        failures=Counter(r.run.result.outcome.value for r in runs if not _is_ok(r)),
        trials_done=done,
        confirmation_runs=confirmation_runs,
        resolved=resolved,
        disturbed=disturbed,
    )


def disturbed_among(runs: Sequence[RecordedRun]) -> frozenset[str]:
    """The uids of the runs that something from outside was seen to disturb when they were recorded.

    Not judged again by what is usual later: what was decided on the way must stay so.
    """
    return frozenset(r.run.uid for r in runs if r.run.result.facts.get(DISTURBED))


def finished_trials(runs: Sequence[RecordedRun]) -> set[int]:
    """Trials with a run that says something about their configuration."""
    return {r.trial for r in runs if r.run.result.outcome != Outcome.ENVIRONMENT_ERROR}


def resolve_unset(space: SearchSpace, runs: Sequence[RecordedRun]) -> Configuration:
    """What each unset knob turned out to be, where the first baseline's read-back is certain."""
    for recorded in runs:
        result = recorded.run.result
        if recorded.run.spec.role == Role.BASELINE and result.outcome == Outcome.OK:
            certain = {name: back.value for name, back in result.read_back.items() if back.certain}
            unset = [knob.name for knob in space.knobs if knob.default == UNSET]
            return {name: certain[name] for name in unset if name in certain}
    return {}


def identify(
    space: SearchSpace, configuration: Configuration, resolved: Configuration
) -> Configuration:
    """The configuration without warm-up, a value equal to what unset means replaced by unset."""
    return {
        knob.name: _canonical(knob.name, configuration[knob.name], resolved)
        for knob in space.knobs
        if knob.name != WARMUP
    }


def _canonical(name: str, value: Value, resolved: Configuration) -> Value:
    return UNSET if name in resolved and resolved[name] == value else value


def _is_ok(recorded: RecordedRun) -> bool:
    return recorded.run.result.outcome == Outcome.OK


def grouped(
    configuration: Configuration,
    runs: Sequence[RecordedRun],
    objective: Objective,
    disturbed: frozenset[str] = frozenset(),
) -> Measured:
    """The runs of one configuration, with the medians over the good ones.

    Disturbed ones count only where there is no other: what disturbed them is no merit or fault of
    the configuration.
    """
    failed = [r.run.result.outcome for r in runs if not _is_ok(r)]
    good = [r for r in runs if r.run.result.measurement is not None]
    counted = [r for r in good if r.run.uid not in disturbed] or good
    measured = Measured(
        configuration=configuration,
        runs=tuple(runs),
        counted=tuple(counted),
        outcome=failed[-1] if failed else Outcome.OK,
        value=None,
        latency_ms=None,
    )
    found = measured.measurements()
    if not found:
        return measured
    value = median([objective.of(m) for m in found])
    return replace(measured, value=value, latency_ms=median([latency(m) for m in found]))


def _find(measured: Sequence[Measured], configuration: Configuration) -> Measured | None:
    wanted = {name: value for name, value in configuration.items() if name != WARMUP}
    return next((one for one in measured if one.configuration == wanted), None)


def ranked(
    measured: Sequence[Measured], objective: Objective, limit_ms: float | None
) -> list[Measured]:
    """The configurations of which no run failed and that keep the limit, the best first."""
    good = [
        one
        for one in measured
        if one.value is not None
        and one.outcome == Outcome.OK
        and (limit_ms is None or (one.latency_ms or 0.0) <= limit_ms)
    ]
    good.sort(key=lambda one: one.value or 0.0, reverse=objective.direction == "maximize")
    return good


def _best(
    measured: Sequence[Measured], objective: Objective, limit_ms: float | None
) -> Measured | None:
    return next(iter(ranked(measured, objective, limit_ms)), None)
