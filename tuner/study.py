"""The loop: ask, launch, record, tell."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from . import ablation
from .budget import noise_found, wanted_trials
from .confirm import NextRun, next_run
from .errors import BaselineError, Interrupted, UnfitEnvironmentError, UsageError
from .launcher import Run
from .noise import from_outside, usual
from .objectives import OBJECTIVES
from .plan import has_failed, next_fixed, why_refused
from .run_log import without_traces
from .search import Proposal, Sampler, Search
from .search_space import BATCH_SIZE, WARMUP, Configuration, SearchSpace, why_not
from .setup import Setup, model_spec
from .store import RecordedRun, Records, StudyRecord
from .summary import (
    DISTURBED,
    Summary,
    disturbed_among,
    finished_trials,
    identify,
    resolve_unset,
    summarize,
)
from .worker.protocol import MeasurementRule, Outcome, Role, TrialSpec

BASELINE_DEADLINE_S = 600.0
MIN_DEADLINE_S = 120.0
DEADLINE_OVER_BASELINE = 10.0  # a cold compile takes several times the baseline's whole run
ENVIRONMENT_ERRORS_IN_A_ROW = 3
REFUSALS_IN_A_ROW = 500
TABU_PROPOSALS = 20  # after so many in a row even what has failed before is run again
SHOWN_LOG_LINES = 5
SURELY_REPEATED = 3  # disturbed runs, before it matters how many of all runs are disturbed


class Observer(Protocol):
    """Told what happens, at events only."""

    def run_started(self, done: int, total: int, role: Role, configuration: Configuration) -> None:
        """A run is about to start; `done` of `total` are finished: trials, or confirming runs."""

    def run_ended(self, recorded: RecordedRun) -> None:
        """A run was recorded."""


@dataclass
class Study:
    """A study in progress. `runs` mirrors what the store holds."""

    record: StudyRecord
    setup: Setup
    space: SearchSpace
    store: Records
    launch: Callable[[TrialSpec], Run]
    observer: Observer
    stop: Callable[[], bool]
    folder: Path
    note: Callable[[str], None] = lambda _: None
    sampler: Sampler | None = None  # None: TPE
    runs: list[RecordedRun] = field(default_factory=list)
    errors_in_a_row: int = 0
    noise_told: bool = False
    announced: bool = False

    def run(self) -> None:
        """Ask, launch, record, tell, until the asked number of trials is done."""
        objective = OBJECTIVES[self.setup.objective]
        about = self.name, self.space, objective, self.setup.seed
        search = Search(self.store, *about, self.sampler)
        self.runs = self.store.runs(self.name)
        self._enqueue_first(search)
        self._restore_references()
        self._finish_interrupted(search)
        self._repeat_failed_baseline()
        while self.done < self.trials:
            if self.done:
                self._repeat_baseline()
                self._tell_noise()
            if self.stop():
                raise Interrupted("")
            proposal = self._propose(search)
            self._run_trial(search, proposal)
        if not self._summary().confirmation_runs:
            self._repeat_baseline()
        self._tell_noise()
        while step := self._next_confirming():
            if self.stop():
                raise Interrupted("")
            self._judge(self._confirm(step), step.role)

    @property
    def name(self) -> str:
        """The study's name in the store."""
        return self.record.name

    @property
    def trials(self) -> int:
        """How many trials there are to be, by what is known now."""
        if self.setup.budget_s is None:
            return self.setup.trials
        return wanted_trials(self._summary(), self.setup.budget_s, self.runs)

    def _summary(self) -> Summary:
        return summarize(self.record, self.runs)

    @property
    def done(self) -> int:
        """Trials with a result."""
        return len(finished_trials(self.runs))

    def _enqueue_first(self, search: Search) -> None:
        """The baseline, always trial 0, then the presets; of a check nothing else yet."""
        search.enqueue(self.space.baseline(), once=True)
        if self.setup.only is not None:
            return
        for name in self.space.presets:
            search.enqueue(self.space.preset(name), once=True)

    def _propose(self, search: Search) -> Proposal:
        """The next proposal that no rule forbids; a forbidden one is told so and does not count."""
        if self.setup.only is not None:
            return self._propose_only(search, self.setup.only)
        objective = OBJECTIVES[self.setup.objective]
        why = ""
        for attempt in range(REFUSALS_IN_A_ROW):
            if not search.has_waiting():
                args = self.space, objective, self.runs, self.trials, self.setup.seed
                search.enqueue(next_fixed(*args))
            proposal = search.ask()
            why = why_refused(self.space, proposal.configuration, self.runs)
            again = has_failed(self.space, proposal.configuration, self.runs)
            if not why and (attempt >= TABU_PROPOSALS or not again):
                return proposal
            search.refuse(proposal.number)
        raise UsageError(
            f"{REFUSALS_IN_A_ROW} proposals in a row were refused ({why}): loosen the rules of "
            f"search space {self.space.name}"
        )

    def _propose_only(self, search: Search, only: Configuration) -> Proposal:
        """The baseline, then nothing but what is asked for. Raises UnfitEnvironmentError."""
        one = {**self.space.baseline(), **(only if self.done else {})}
        why = next((w for n, v in only.items() if (w := why_not(self.space, n, v))), "")
        why = why or why_refused(self.space, one, self.runs)
        if why:
            raise UnfitEnvironmentError(
                f"the configuration cannot be set here: {why}; tune anew in this environment"
            )
        if not search.has_waiting():
            search.enqueue(one)
        return search.ask()

    def _run_trial(self, search: Search, proposal: Proposal) -> None:
        role = self._role(proposal.configuration)
        recorded = self._measure(proposal.number, proposal.configuration, role)
        self._tell(search, proposal)
        self._judge(recorded, role)

    def _repeat_failed_baseline(self) -> None:
        """A resumed study whose baseline did not run tries it again: the model may be mended."""
        base = self.space.baseline()
        tried = [r for r in self.runs if r.trial == 0 and r.configuration == base]
        if tried and all(r.run.result.outcome != Outcome.OK for r in tried):
            self._judge(self._measure(0, base, Role.BASELINE), Role.BASELINE)

    def _repeat_baseline(self) -> None:
        """As many runs of the baseline as are wanted before the search goes on."""
        base = self.space.baseline()
        while len([r for r in self.runs if r.trial == 0]) < self.setup.baseline_runs:
            if self.stop():
                raise Interrupted("")
            self._judge(self._measure(0, base, Role.BASELINE), Role.BASELINE)

    def _tell_noise(self) -> None:
        """Once: what the baseline's runs say of this host, and what the confirmation will cost."""
        if not self.noise_told:
            self.noise_told = True
            for line in noise_found(self._summary(), self.runs):
                self.note(line)

    def _role(self, configuration: Configuration) -> Role:
        return Role.BASELINE if self.space.is_baseline(configuration) else Role.SEARCH

    def _next_confirming(self) -> NextRun | None:
        """The next run of the confirmation, then of the ablation; None when all is complete."""
        summary, seed = self._summary(), self.setup.seed
        return next_run(summary, seed) or ablation.next_run(summary, seed)

    def _confirm(self, step: NextRun) -> RecordedRun:
        spec = self.trial_spec(step.trial, step.configuration, step.role)
        if step.role == Role.ABLATION and not self.announced:
            self.announced = True
            self.note(ablation.announcement(self._summary(), step))
        self.observer.run_started(step.done, step.total, step.role, step.configuration)
        spec = replace(spec, block=step.block, after_trials=self.done)
        return self.run_spec(step.trial, step.configuration, spec)

    def _measure(self, trial: int, configuration: Configuration, role: Role) -> RecordedRun:
        self.observer.run_started(self.done, self.trials, role, configuration)
        return self.run_spec(trial, configuration, self.trial_spec(trial, configuration, role))

    def run_spec(self, trial: int, configuration: Configuration, spec: TrialSpec) -> RecordedRun:
        """A run; once more where something disturbed it, unless that is usual on this host."""
        recorded = self.record_run(trial, configuration, spec)
        disturbed = disturbed_among(self.runs)
        seldom = len(disturbed) <= max(SURELY_REPEATED, len(self.runs) / 2)
        if recorded.run.uid in disturbed and seldom and not self.stop():
            return self.record_run(trial, configuration, spec)
        return recorded

    def record_run(self, trial: int, configuration: Configuration, spec: TrialSpec) -> RecordedRun:
        """Launch one run and commit it, with what disturbed it, before anybody is told."""
        run = self.launch(spec)
        normal = usual([*self.runs, RecordedRun(trial, configuration, run)])
        kinds = from_outside(run.result, normal)
        if kinds and run.result.outcome == Outcome.OK:
            facts = {**run.result.facts, DISTURBED: kinds}
            run = replace(run, result=replace(run.result, facts=facts))
        recorded = RecordedRun(trial, configuration, run)
        self.store.record(self.name, recorded)
        self.runs.append(recorded)
        self.observer.run_ended(recorded)
        return recorded

    def trial_spec(self, trial: int, configuration: Configuration, role: Role) -> TrialSpec:
        """What the worker is asked to do."""
        batch = configuration.get(BATCH_SIZE)
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
        )

    def reference_path(self, configuration: Configuration) -> Path:
        """Where the baseline's output for this batch size is kept."""
        return self.folder / f"reference-{configuration.get(BATCH_SIZE, 'example')}.pt"

    def _deadline_s(self) -> float:
        if self.setup.timeout_s is not None:
            return self.setup.timeout_s
        for recorded in self.runs:
            if recorded.run.result.outcome == Outcome.OK:
                return max(MIN_DEADLINE_S, DEADLINE_OVER_BASELINE * recorded.run.wall_ns / 1e9)
        return BASELINE_DEADLINE_S

    def _tell(self, search: Search, proposal: Proposal) -> None:
        """Tell the median over all runs of the proposal's configuration."""
        own = [r.run.result.outcome for r in self.runs if r.trial == proposal.number]
        outcome = Outcome.OK if Outcome.OK in own else own[-1]
        if outcome != Outcome.OK:
            search.tell(proposal.number, outcome, None)
            return
        summary = self._summary()
        identity = identify(
            self.space, proposal.configuration, resolve_unset(self.space, self.runs)
        )
        measured = next(m for m in summary.measured if m.configuration == identity)
        limit = self.setup.max_latency_ms
        excess = None if limit is None else (measured.latency_ms or 0.0) - limit
        search.tell(proposal.number, outcome, measured.value, excess)

    def _judge(self, recorded: RecordedRun, role: Role) -> None:
        """End the study where going on makes no sense."""
        result = recorded.run.result
        if result.outcome == Outcome.ENVIRONMENT_ERROR:
            self.errors_in_a_row += 1
            if self.errors_in_a_row >= ENVIRONMENT_ERRORS_IN_A_ROW:
                raise UnfitEnvironmentError(
                    f"{self.errors_in_a_row} runs in a row failed for reasons outside their "
                    f"configuration: {result.message}; mend it, then {resume_command(self.name)}"
                )
            return
        self.errors_in_a_row = 0
        at_default = recorded.configuration.get(BATCH_SIZE) == self.space.default_batch()
        if role == Role.BASELINE and result.outcome != Outcome.OK and at_default:
            raise BaselineError(baseline_failure(self.name, recorded.trial, recorded.run))

    def _finish_interrupted(self, search: Search) -> None:
        """Trials of a controller that died: tell what is recorded, run again what is complete."""
        for proposal in search.left_running():
            if any(recorded.trial == proposal.number for recorded in self.runs):
                self._tell(search, proposal)
            elif search.is_complete(proposal):
                if why_refused(self.space, proposal.configuration, self.runs):
                    search.refuse(proposal.number)
                elif self.done < self.trials:
                    self._run_trial(search, proposal)
            else:
                search.tell(proposal.number, Outcome.ENVIRONMENT_ERROR, None)

    def _restore_references(self) -> None:
        """A baseline whose reference output is gone is run once more, as a further run of it."""
        baselines = {
            self.reference_path(recorded.configuration): recorded
            for recorded in self.runs
            if recorded.run.spec.role == Role.BASELINE and recorded.run.result.outcome == Outcome.OK
        }
        for path, recorded in baselines.items():
            unfinished = self.done < self.trials or self._next_confirming()
            if unfinished and not path.exists():
                self._measure(recorded.trial, recorded.configuration, Role.BASELINE)


def baseline_failure(name: str, trial: int, run: Run) -> str:
    """Why the model does not run as it is, the log's tail, and the command that repeats it."""
    result = run.result
    lines = without_traces(run.log_tail).splitlines()[-SHOWN_LOG_LINES:]
    return "\n".join(
        [
            f"the baseline run ended as {result.outcome.value}: {result.message}",
            *(f"    {line}" for line in lines if line not in result.message),
            "the model must run as it is before it can be tuned; repeat this run with: "
            f"npu-tune rerun {shlex.quote(name)} --trial {trial}",
        ]
    )


def resume_command(name: str) -> str:
    """The command that continues a study."""
    return f"npu-tune --resume --study {shlex.quote(name)}"
