"""One configuration with all its runs, and which of several is best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..policy import BATCH_SIZE
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..worker.protocol import Measurement, Outcome
from .objectives import Objective, latency
from .stats import median


@dataclass(frozen=True)
class Measured:
    """One configuration with all its runs; warm-up is not part of what it is.

    counted: the runs whose figures count. value: of the objective, the median over those.
    """

    configuration: Configuration
    runs: tuple[RecordedRun, ...]
    counted: tuple[RecordedRun, ...]
    outcome: Outcome
    value: float | None
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

    @property
    def good(self) -> list[RecordedRun]:
        """The runs that measured something, the disturbed ones too."""
        return [r for r in self.runs if r.measurement is not None]

    def measurements(self) -> list[Measurement]:
        """What the runs that count measured."""
        return [m for recorded in self.counted if (m := recorded.measurement) is not None]


def grouped(
    configuration: Configuration,
    runs: Sequence[RecordedRun],
    objective: Objective,
    disturbed: frozenset[str] = frozenset(),
    value: Callable[[RecordedRun], float] | None = None,
    beside: frozenset[str] = frozenset(),
) -> Measured:
    """The runs of one configuration, with the medians over the good ones.

    Disturbed ones count only where there is no other: what disturbed them is no merit or fault of
    the configuration. So do those that were alone, where others were `beside` a companion: by their
    uids. value: of a run; what the objective makes of it alone.
    """
    failures = [r.outcome for r in runs if not r.ok]
    good = [r for r in runs if r.measurement is not None]
    good = [r for r in good if r.run.uid in beside] or good
    measured = Measured(
        configuration=configuration,
        runs=tuple(runs),
        counted=tuple([r for r in good if r.run.uid not in disturbed] or good),
        outcome=failures[-1] if failures else Outcome.OK,
        value=None,
        latency_ms=None,
    )
    measurements = measured.measurements()
    if not measurements:
        return measured
    values = (
        [objective.of(m) for m in measurements]
        if value is None
        else [value(r) for r in measured.counted]
    )
    latency_ms = median([latency(m) for m in measurements])
    return replace(measured, value=median(values), latency_ms=latency_ms)


def ranked(
    candidates: Sequence[Measured], objective: Objective, limit_ms: float | None
) -> list[Measured]:
    """The configurations of which no run failed and that keep the limit, the best first."""
    good = [
        m
        for m in candidates
        if m.value is not None
        and m.outcome == Outcome.OK
        and (limit_ms is None or (m.latency_ms or 0.0) <= limit_ms)
    ]
    good.sort(key=lambda m: m.value or 0.0, reverse=objective.direction == "maximize")
    return good


def find(candidates: Sequence[Measured], configuration: Configuration) -> Measured | None:
    """The one that is of this identity."""
    return next((m for m in candidates if m.configuration == configuration), None)
