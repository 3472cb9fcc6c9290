"""A study's runs: what the worker is asked, launched, and committed with what disturbed it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .. import options
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
from ..runs import heat, unsaved
from ..runs.folder import EXPORTS
from ..runs.heat import Tell
from ..runs.records import RecordedRun, Run, StudyRecord
from ..runs.watch import Watch, witnessed
from ..space.model import Configuration, SearchSpace
from ..worker.protocol import MeasurementRule, ModelSpec, Role, TrialSpec
from .naming import function_reference, model_spec

if TYPE_CHECKING:
    from ..runs.launcher import Launcher
    from ..runs.member import Member
    from ..runs.store import RunStore

MIN_DEADLINE_S = 120.0
DEADLINE_OVER_BASELINE = 10.0  # a cold compile takes several times the baseline's whole run
SURELY_REPEATED = 3  # disturbed runs, before it matters how many of all runs are disturbed


class Observer(Protocol):
    """Told what happens, at events only."""

    def run_started(
        self, done: int, total: int, role: Role, configurations: Sequence[Configuration]
    ) -> None:
        """A run is about to start, or several in a heat.

        `done` of `total` are finished: trials, or confirming runs.
        """

    def heat_at(self, number: int, phase: str, turn: int) -> None:
        """Where the heat in hand is: prepare, begin, warm, or turn of that number."""

    def run_ended(self, recorded: RecordedRun) -> None:
        """A run was recorded."""


class Silent:
    """An observer that tells nobody."""

    def run_started(
        self, done: int, total: int, role: Role, configurations: Sequence[Configuration]
    ) -> None:
        """Nothing."""

    def heat_at(self, number: int, phase: str, turn: int) -> None:
        """Nothing."""

    def run_ended(self, recorded: RecordedRun) -> None:
        """Nothing."""


class Heats(Protocol):
    """Makes heats: `runs/heat.py`, or what answers in the place of processes."""

    def measure(
        self,
        number: int,
        wanted: Sequence[tuple[Launcher, TrialSpec]],
        companions: Sequence[Member] = (),
        tell: Tell = ...,
        at_once: int = 2,
    ) -> tuple[list[Run | None], list[Run]]:
        """As `heat.measure`."""

    def companion(self, launcher: Launcher, spec: TrialSpec) -> AbstractContextManager[Member]:
        """As `heat.companion`."""


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

    launch: makes a run alone. launcher: starts the workers of heats; None: there are none. heats:
    makes those.
    again: how the user goes on, once what has ended it is mended.
    beside: where runs are kept that the store does not take. on_wait: as in `Caller`.
    """

    record: StudyRecord
    setup: Setup
    space: SearchSpace
    store: RunStore
    launch: Callable[[TrialSpec], Run]
    observer: Observer
    stop: Callable[[], bool]
    folder: Path
    launcher: Launcher | None = None
    watch: Watch = lambda: None
    again: str = "begin anew"
    beside: Path | None = None
    on_wait: Callable[[str], None] | None = None
    heats: Heats = heat
    runs: list[RecordedRun] = field(init=False)
    earlier: int = field(init=False)  # runs that were there before
    _known: tuple[int, StudyRecord | None, Summary | None] = field(
        init=False, repr=False, default=(0, None, None)
    )

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

    @property
    def in_turns(self) -> bool:
        """Are its runs made in heats?"""
        return self.launcher is not None and self.setup.heat_size > 1

    @property
    def usable_cpus(self) -> int:
        """How many processors its runs have."""
        of_host = self.record.facts.fingerprint
        usable = len(self.setup.cpus) or int(of_host.get("usable_cpus") or 1)
        return min(usable, math.ceil(of_host.get("cpu_quota") or usable))

    def summary(self) -> Summary:
        """What the runs say so far; computed once for as many runs."""
        count, record, known = self._known
        if known is None or count != len(self.runs) or record is not self.record:
            known = summarize(self.record, self.runs)
            self._known = len(self.runs), self.record, known
        return known

    def keep_heat_size(self, size: int) -> None:
        """Freeze how the study is measured."""
        self.setup = replace(self.setup, heat_size=size)
        self.record = replace(self.record, setup=options.to_dict(self.setup))
        self.store.update_study(self.name, setup=self.record.setup)

    def run(self, configuration: Configuration, spec: TrialSpec) -> RecordedRun:
        """A run alone; once more where something disturbed it, unless that is usual on this host.

        In a heat none is made again for that: it disturbed what the run is compared with, too.
        """
        recorded = self.run_once(configuration, spec)
        disturbed = disturbed_among(self.runs)
        seldom = len(disturbed) <= max(SURELY_REPEATED, len(self.runs) / 2)
        if recorded.run.uid in disturbed and seldom and not self.stop():
            return self.run_once(configuration, spec)
        return recorded

    def run_once(self, configuration: Configuration, spec: TrialSpec) -> RecordedRun:
        """Launch one run and commit it, with what disturbed it, before anybody is told."""
        others = self.watch()
        (recorded,) = self.commit([(configuration, witnessed(self.launch(spec), others))])
        return recorded

    def commit(self, made: Sequence[tuple[Configuration, Run]]) -> list[RecordedRun]:
        """Keep a run, or all of a heat at once, with what disturbed them."""
        runs = [RecordedRun(run.spec.trial, configuration, run) for configuration, run in made]
        normal = usual([*self.runs, *runs])
        runs = [
            replace(r, disturbed=tuple(from_outside(r.run.result, normal))) if r.ok else r
            for r in runs
        ]
        unsaved.record(self.store, self.record, runs, self.beside, self.on_wait)
        self.runs += runs
        for recorded in runs:
            self.observer.run_ended(recorded)
        return runs

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
            model=self._model_spec(),
            knobs=self.space.settings(configuration),
            batch_size=None if batch is None else int(batch),
            rule=MeasurementRule(
                warmup_calls=int(configuration.get(WARMUP, MeasurementRule.warmup_calls)),
                timed_region=self.setup.timed_region,
                in_blocks=self.setup.objective == "throughput",
                pause_ms=0.0 if role == Role.COMPANION else self.setup.pause_ms or 0.0,
            ),
            device=self.setup.device,
            seed=self.setup.seed,
            deadline_s=self._deadline_s(),
            cpus=list(self.setup.cpus),
            memory_limit_bytes=self.setup.memory_limit_bytes,
            tolerance=self.setup.tolerance,
            compare=function_reference(self.setup.compare, self.setup.folder),
            weights_path=str(self.folder / "weights.pt"),
            inputs_path=str(self.folder / "inputs.pt"),
            exports_path=str(self.folder / EXPORTS),
            reference_path=str(self.reference_path(configuration)),
            block=block,
            after_trials=len(finished_trials(self.runs)) if confirming else 0,
        )

    def _model_spec(self) -> ModelSpec:
        """As the probe has seen it."""
        spec, facts = model_spec(self.setup), self.record.facts.probe
        return replace(
            spec,
            batch="none" if facts.no_batch else spec.batch,
            gradients=facts.gradients,
            not_comparable=facts.not_comparable,
        )

    def reference_path(self, configuration: Configuration) -> Path:
        """Where the baseline's output for this batch size is kept."""
        return self.folder / f"outputs-{configuration.get(BATCH_SIZE, 'example')}.pt"

    def _deadline_s(self) -> float:
        """By the first run that ended well: the baseline, alone. In a heat it would have waited."""
        if self.setup.timeout_s is not None:
            return self.setup.timeout_s
        for recorded in self.runs:
            if recorded.ok:
                return max(MIN_DEADLINE_S, DEADLINE_OVER_BASELINE * recorded.run.wall_ns / 1e9)
        return BASELINE_DEADLINE_S
