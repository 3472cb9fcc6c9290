"""The loop: ask, launch, record, tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import Interrupted
from ..evidence import ablation, finalists
from ..evidence.objectives import OBJECTIVES
from ..evidence.pairs import Step
from ..evidence.summary import finished_trials
from ..options import Setup
from ..runs.records import RecordedRun
from ..space.model import Configuration, SearchSpace
from ..worker.protocol import Outcome, Role, TrialSpec
from .asking import Asking
from .budget import ablation_cost, noise_found, of_heats, wanted_trials
from .heat_size import decide
from .heats import Entry
from .in_turns import SearchInTurns
from .notes import of_failing, of_inert
from .proposals import next_fixed, why_not_launched
from .runner import Runner
from .sampler import Proposal, Sampler, Search
from .together import entries_of, measure, measure_together, require_fit


@dataclass
class Study:
    """A study in progress."""

    runner: Runner
    note: Callable[[str], None] = lambda _: None
    sampler: Sampler | None = None  # None: TPE
    probe: TrialSpec | None = None  # tried beside a waiting run, where a device may take only one
    noise_told: bool = False
    told: set[str] = field(default_factory=set)  # of settings that do nothing, or always fail
    announced: bool = False

    def run(self) -> None:
        """Ask, launch, record, tell, until the asked number of trials is done."""
        runner, objective = self.runner, OBJECTIVES[self.setup.objective]
        about = runner.name, self.space, objective, self.setup.seed
        asking = Asking(runner, Search(runner.store, *about, self.sampler))
        self._enqueue_first(asking.search)
        self._restore_references()
        if self._is_in_turns(asking.search):
            SearchInTurns(self, asking).run()
        else:
            self._search_alone(asking)
        self.tell_noise()
        while step := self._next_confirming():
            self._confirm(step)

    def _is_in_turns(self, search: Search) -> bool:
        """How the study is measured; decided once, when the baseline has run alone."""
        if self.setup.heat_size == 0 and self.runner.launcher is not None:
            self._repeat_failed_baseline()
            if not self._good_baselines() and not search.left_running():
                search.ask()  # trial 0: it is told when there is something to compare it with
            while not self._good_baselines():
                self._run_baseline()
            decided = decide(self.runner, self._good_baselines()[0], self.probe)
            self.runner.keep_heat_size(decided.size)
            for line in of_heats(self.runner, decided, self._good_baselines()[0]):
                self.note(line)
        return self.runner.in_turns

    def _good_baselines(self) -> list[RecordedRun]:
        base = self.space.baseline()
        return [r for r in self.runs if r.trial == 0 and r.ok and r.configuration == base]

    def _search_alone(self, asking: Asking) -> None:
        """One run after the other."""
        self._finish_interrupted(asking)
        self._repeat_failed_baseline()
        while self.done < self.trials:
            if self.done:
                self._repeat_baseline()
                self.tell_noise()
            if self.runner.stop():
                raise Interrupted("")
            proposal = asking.ask(self._next_fixed)
            assert proposal is not None  # there is nothing beside it
            self._run_trial(asking, proposal)
        if not self.runner.summary().confirmation_runs:
            self._repeat_baseline()

    @property
    def setup(self) -> Setup:
        """What was asked for."""
        return self.runner.setup

    @property
    def space(self) -> SearchSpace:
        """What is searched."""
        return self.runner.space

    @property
    def runs(self) -> list[RecordedRun]:
        """What has been run so far."""
        return self.runner.runs

    @property
    def trials(self) -> int:
        """How many trials there are to be, by what is known now."""
        if self.setup.budget_s is None:
            return self.setup.trials
        return wanted_trials(self.runner.summary(), self.setup.budget_s, self.runs)

    @property
    def done(self) -> int:
        """Trials with a result."""
        return len(finished_trials(self.runs))

    def _enqueue_first(self, search: Search) -> None:
        """The baseline, always trial 0, then the presets."""
        search.enqueue(self.space.baseline(), once=True)
        for name in self.space.presets:
            search.enqueue(self.space.preset(name), once=True)

    def _next_fixed(self) -> Configuration:
        objective = OBJECTIVES[self.setup.objective]
        return next_fixed(self.space, objective, self.runs, self.trials, self.setup.seed)

    def _run_trial(self, asking: Asking, proposal: Proposal) -> None:
        entry = self.entry(proposal.number, proposal.configuration)
        recorded = measure(entry, self.done, self.trials)
        asking.tell(proposal)
        self.tell_settings()
        require_fit(self.runner, recorded)

    def entry(self, trial: int, configuration: Configuration) -> Entry:
        """A run of the search, of the baseline at whichever batch size or of another."""
        role = Role.BASELINE if self.space.is_baseline(configuration) else Role.SEARCH
        return Entry(self.runner, trial, configuration, role)

    def _run_baseline(self, trial: int = 0, configuration: Configuration | None = None) -> None:
        """Make one more run of the baseline, or of that of another batch size."""
        entry = self.entry(trial, configuration or self.space.baseline())
        measure_together([entry], self.done, self.trials)

    def _repeat_failed_baseline(self) -> None:
        """A resumed study whose baseline did not run tries it again: the model may be mended."""
        base = self.space.baseline()
        runs = [r for r in self.runs if r.trial == 0 and r.configuration == base]
        if runs and not any(r.ok for r in runs):
            self._run_baseline()

    def _repeat_baseline(self) -> None:
        """As many runs of the baseline as are wanted before the search goes on."""
        while len([r for r in self.runs if r.trial == 0]) < self.setup.baseline_runs:
            self._run_baseline()

    def tell_noise(self) -> None:
        """Once: what the baseline's runs say of this host, and what the confirmation will cost."""
        if not self.noise_told:
            self.noise_told = True
            for line in noise_found(self.runner.summary(), self.runs):
                self.note(line)

    def tell_settings(self) -> None:
        """Once each: what does nothing here, and what is not tried any more."""
        summary = self.runner.summary()
        lines = [*of_inert(summary.inert_settings), *of_failing(summary.failing_settings)]
        for line in lines:
            if line not in self.told:
                self.told.add(line)
                self.note(line)

    def _next_confirming(self) -> Step | None:
        """The next block of the confirmation, then of the ablation; None when all is complete."""
        summary, seed = self.runner.summary(), self.setup.seed
        return finalists.next_step(summary, seed) or ablation.next_step(summary, seed)

    def _confirm(self, step: Step) -> None:
        """Make the runs of a block."""
        if step.role == Role.ABLATION and not self.announced:
            self.announced = True
            self.note(ablation_cost(self.runner.summary(), step))
        measure_together(entries_of(self.runner, step), step.done, step.total)

    def _finish_interrupted(self, asking: Asking) -> None:
        """Trials of a controller that died: tell what is recorded, run again what is complete."""
        search = asking.search
        for proposal in search.left_running():
            if asking.is_recorded(proposal):
                asking.tell(proposal)
            elif search.is_complete(proposal):
                if why_not_launched(self.space, proposal.configuration, self.runs):
                    search.refuse(proposal.number)
                elif self.done < self.trials:
                    self._run_trial(asking, proposal)
            else:
                search.tell(proposal.number, Outcome.ENVIRONMENT_ERROR, None)

    def _restore_references(self) -> None:
        """A baseline whose reference output is gone is run once more, as a further run of it."""
        baselines = {
            self.runner.reference_path(recorded.configuration): recorded
            for recorded in self.runs
            if recorded.role == Role.BASELINE and recorded.ok
        }
        for path, recorded in baselines.items():
            unfinished = self.done < self.trials or self._next_confirming()
            if unfinished and not path.exists():
                self._run_baseline(recorded.trial, recorded.configuration)
