"""A study's runs: what the worker is asked, launched, and committed with what disturbed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..evidence.noise import from_outside, usual
from ..evidence.summary import (
    CONFIRMATION_ROLES,
    Summary,
    disturbed_among,
    finished_trials,
    summarize,
)
from ..options import BASELINE_DEADLINE_S, Setup
from ..policy import BATCH_SIZE, WARMUP
from ..runs.records import RecordedRun, Run, StudyRecord
from ..space.model import Configuration, SearchSpace
from ..worker.protocol import MeasurementRule, Outcome, Role, TrialSpec
from .naming import model_spec

if TYPE_CHECKING:
    from ..runs.store import RunStore

MIN_DEADLINE_S = 120.0
DEADLINE_OVER_BASELINE = 10.0  # a cold compile takes several times the baseline's whole run
SURELY_REPEATED = 3  # disturbed runs, before it matters how many of all runs are disturbed


class Observer(Protocol):
    """Told what happens, at events only."""

    def run_started(self, done: int, total: int, role: Role, configuration: Configuration) -> None:
        """A run is about to start; `done` of `total` are finished: trials, or confirming runs."""

    def run_ended(self, recorded: RecordedRun) -> None:
        """A run was recorded."""


class Silent:
    """An observer that tells nobody."""

    def run_started(self, done: int, total: int, role: Role, configuration: Configuration) -> None:
        """Nothing."""

    def run_ended(self, recorded: RecordedRun) -> None:
        """Nothing."""


@dataclass(frozen=True)
class Caller:
    """For whom something is measured: who is told what, and may stop it.

    note: is told a line, before it begins. on_wait: who else holds the device; None: fail instead
    of waiting.
    """

    observer: Observer = field(default_factory=Silent)
    stop: Callable[[], bool] = lambda: False
    note: Callable[[str], None] = lambda _: None
    on_wait: Callable[[str], None] | None = None


@dataclass
class Runner:
    """Makes the runs of a study. `runs` mirrors what the store holds.

    again: how the user goes on, once what has ended it is mended.
    """

    record: StudyRecord
    setup: Setup
    space: SearchSpace
    store: RunStore
    launch: Callable[[TrialSpec], Run]
    observer: Observer
    stop: Callable[[], bool]
    folder: Path
    again: str = "begin anew"
    runs: list[RecordedRun] = field(init=False)
    earlier: int = field(init=False)  # runs that were there before

    def __post_init__(self) -> None:
        self.runs = self.store.runs(self.record.name)
        self.earlier = len(self.runs)

    @property
    def name(self) -> str:
        """The study's name in the store."""
        return self.record.name

    @property
    def fresh_runs(self) -> list[RecordedRun]:
        """The runs that were made here."""
        return self.runs[self.earlier :]

    def summary(self) -> Summary:
        """What the runs say so far."""
        return summarize(self.record, self.runs)

    def run(self, configuration: Configuration, spec: TrialSpec) -> RecordedRun:
        """A run; once more where something disturbed it, unless that is usual on this host."""
        recorded = self.run_once(configuration, spec)
        disturbed = disturbed_among(self.runs)
        seldom = len(disturbed) <= max(SURELY_REPEATED, len(self.runs) / 2)
        if recorded.run.uid in disturbed and seldom and not self.stop():
            return self.run_once(configuration, spec)
        return recorded

    def run_once(self, configuration: Configuration, spec: TrialSpec) -> RecordedRun:
        """Launch one run and commit it, with what disturbed it, before anybody is told."""
        run = self.launch(spec)
        normal = usual([*self.runs, RecordedRun(spec.trial, configuration, run)])
        kinds = from_outside(run.result, normal) if run.result.outcome == Outcome.OK else ()
        recorded = RecordedRun(spec.trial, configuration, run, tuple(kinds))
        self.store.record(self.name, recorded)
        self.runs.append(recorded)
        self.observer.run_ended(recorded)
        return recorded

    def trial_spec(
        self, trial: int, configuration: Configuration, role: Role, block: int = 0
    ) -> TrialSpec:
        """What the worker is asked to do."""
        batch = configuration.get(BATCH_SIZE)
        confirming = role in CONFIRMATION_ROLES
        return TrialSpec(
            study=self.name,
            trial=trial,
            role=role,
            backend=self.space.backend,
            model=model_spec(self.setup),
            knobs=self.space.settings(configuration),
            batch_size=None if batch is None else int(batch),
            rule=MeasurementRule(
                warmup_calls=int(configuration.get(WARMUP, MeasurementRule.warmup_calls)),
                timed_region=self.setup.timed_region,
            ),
            device=self.setup.device,
            seed=self.setup.seed,
            deadline_s=self._deadline_s(),
            cpus=list(self.setup.cpus),
            memory_limit_bytes=self.setup.memory_limit_bytes,
            tolerance=self.setup.tolerance,
            weights_path=str(self.folder / "weights.pt"),
            reference_path=str(self.reference_path(configuration)),
            block=block,
            after_trials=len(finished_trials(self.runs)) if confirming else 0,
        )

    def reference_path(self, configuration: Configuration) -> Path:
        """Where the baseline's output for this batch size is kept."""
        return self.folder / f"reference-{configuration.get(BATCH_SIZE, 'example')}.pt"

    def _deadline_s(self) -> float:
        if self.setup.timeout_s is not None:
            return self.setup.timeout_s
        for recorded in self.runs:
            if recorded.ok:
                return max(MIN_DEADLINE_S, DEADLINE_OVER_BASELINE * recorded.run.wall_ns / 1e9)
        return BASELINE_DEADLINE_S
