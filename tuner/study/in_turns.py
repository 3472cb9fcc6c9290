"""The search in heats: what is asked at once, measured beside the companion, told together."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import Interrupted
from ..evidence.objectives import OBJECTIVES
from ..policy import BATCH_SIZE
from ..space.model import Configuration
from ..worker.protocol import Outcome, Role
from . import heats
from .asking import Asking
from .heats import Company, Entry
from .proposals import (
    enumerated,
    fixed_at,
    missing_batches,
    next_batch,
    why_not_launched,
)
from .sampler import Proposal
from .together import require_fit

if TYPE_CHECKING:
    from .loop import Study

CHECKED_EVERY = 4  # heats: then a fresh run of the baseline says whether the companion has moved
BATCH_TRIALS = 2  # in a heat at another batch size, under latency


@dataclass
class SearchInTurns:
    """A search in progress. held: a proposal of another batch size, for the next heat."""

    study: Study
    asking: Asking
    held: list[Proposal] = field(default_factory=list)

    def run(self) -> None:
        """Heat after heat, until there are enough trials and runs of the baseline."""
        study, runner = self.study, self.study.runner
        with heats.company(runner) as company:
            self._take_up(company)
            while True:
                if runner.stop():
                    raise Interrupted("")
                searching = study.done < study.trials
                wanted = self._wanted_baselines(company, searching)
                proposals = self._propose(company, wanted) if searching else []
                baselines = self._baselines(wanted, proposals)
                if not proposals and not baselines:
                    return
                self._measure(company, proposals, baselines)
                if self._fresh_baselines() >= study.setup.baseline_runs:
                    study.tell_noise()

    def _take_up(self, company: Company) -> None:
        """Trials of a controller that died, or trial 0: told where they are known, else measured.

        In heats of one batch size each.
        """
        study, asking, search, waiting = self.study, self.asking, self.asking.search, []
        left = search.left_running()
        asked = [p.configuration for p in left if search.is_complete(p)]
        for proposal in left:
            if asking.is_recorded(proposal):
                if proposal.number or self._fresh_baselines():
                    asking.tell(proposal)
            elif not search.is_complete(proposal):
                search.tell(proposal.number, Outcome.ENVIRONMENT_ERROR, None)
            elif why_not_launched(study.space, proposal.configuration, study.runs, asked):
                search.refuse(proposal.number)
            elif measured := asking.known(proposal.configuration):
                asking.tell_known(proposal.number, measured)
            else:
                waiting.append(proposal)
        waiting.sort(key=lambda p: not study.space.is_baseline(p.configuration))
        for batch in dict.fromkeys(_batch(p.configuration) for p in waiting):
            together = [p for p in waiting if _batch(p.configuration) == batch]
            size = study.setup.heat_size - 1
            for begin in range(0, len(together), size):
                if study.runner.stop():
                    raise Interrupted("")
                self._measure(company, together[begin : begin + size], 0)

    def _fresh_baselines(self) -> int:
        return len(self._of_baseline())

    def _of_baseline(self) -> list[int]:
        """The heats that a good fresh run of the baseline was in, one for each run."""
        base = self.study.space.baseline()
        return [
            r.run.spec.heat
            for r in self.study.runs
            if r.role == Role.BASELINE and r.run.spec.heat and r.ok and r.configuration == base
        ]

    def _wanted_baselines(self, company: Company, searching: bool) -> int:
        """How many fresh runs of the baseline the next heat needs.

        Two in the first heat beside a companion, one in others, until there are enough; later one
        now and then, which shows whether the companion is still what it was.
        """
        study, own = self.study, self._of_baseline()
        current, step = company.current, company.missing_for_step
        missing = study.setup.baseline_runs - len(own)
        if not searching:
            return max(missing, step if current else 0)
        if max(missing, step) > 0:
            return 1 if current and current.baselines else 2
        last = max((r.run.spec.heat for r in study.runs), default=0)
        return 1 if last - max(own, default=0) >= CHECKED_EVERY else 0

    def _baselines(self, wanted: int, proposals: Sequence[Proposal]) -> int:
        """How many of them it gets: a heat has one batch size besides the companion's."""
        default = self.study.space.default_batch()
        if any(_batch(p.configuration) != default for p in proposals):
            return 0
        return max(0, min(wanted, self.study.setup.heat_size - 1 - len(proposals)))

    def _propose(self, company: Company, baselines: int) -> list[Proposal]:
        """What is asked at once: of one batch size, no configuration twice.

        Nothing where the runs of the baseline take up the heat.
        """
        study = self.study
        proposals, self.held = self.held, []
        room = study.setup.heat_size - 1 - baselines
        left = study.trials - study.done
        batch = self._next_batch(company) if not proposals else _batch(proposals[0].configuration)
        while len(proposals) < min(self._room(batch, room), left):
            beside = [p.configuration for p in proposals]
            proposal = self.asking.ask(functools.partial(self._fixed, batch, beside), beside)
            if proposal is None:
                break
            if proposals and _batch(proposal.configuration) != batch:
                self.held = [proposal]
                break
            batch = _batch(proposal.configuration)
            proposals.append(proposal)
        return proposals

    def _room(self, batch: int | None, room: int) -> int:
        """Fewer at another batch size, so that every size has its turn."""
        default = self.study.space.default_batch()
        if batch in (None, default):
            return room
        widest = self.study.setup.heat_size - 1
        return min(BATCH_TRIALS, widest) if self.study.setup.objective == "latency" else widest

    def _next_batch(self, company: Company) -> int | None:
        """The batch size of the next heat; None: as the sampler likes, or there is none.

        The default where presets wait, or where the baseline is to be measured beside a companion.
        """
        study, objective = self.study, OBJECTIVES[self.study.setup.objective]
        if self.asking.search.has_waiting() or company.missing_for_step:
            return study.space.default_batch()
        return next_batch(study.space, objective, study.runs)

    def _fixed(self, batch: int | None, beside: Sequence[Configuration]) -> Configuration:
        """Knobs of the next proposal: pins and batch size, or all of them."""
        study, space = self.study, self.study.space
        objective = OBJECTIVES[study.setup.objective]
        if batch in missing_batches(space, study.runs, beside):
            return space.baseline(batch)
        candidates = enumerated(space, objective, batch, study.trials, study.setup.seed)
        return fixed_at(space, candidates, study.runs, batch, beside)

    def _measure(self, company: Company, proposals: Sequence[Proposal], baselines: int) -> None:
        """One heat: commit it, then tell all of it."""
        study, runner = self.study, self.study.runner
        entries = [
            *(Entry(runner, 0, study.space.baseline(), Role.BASELINE) for _ in range(baselines)),
            *(study.entry(p.number, p.configuration) for p in proposals),
        ]
        if not entries:
            return
        configurations = [entry.configuration for entry in entries]
        runner.observer.run_started(study.done, study.trials, Role.SEARCH, configurations)
        for recorded in heats.make(entries, company):
            require_fit(runner, recorded)
        for proposal in [*self._untold(), *proposals]:
            if self.asking.is_recorded(proposal):
                self.asking.tell(proposal)
            else:  # the baseline at its batch size has failed
                self.asking.search.refuse(proposal.number)
        self.asking.tell_twins()
        study.tell_settings()

    def _untold(self) -> Iterator[Proposal]:
        """Trial 0, until it is told what fresh runs of the baseline say."""
        if self._fresh_baselines():
            yield from (p for p in self.asking.search.left_running() if p.number == 0)


def _batch(configuration: Configuration) -> int | None:
    size = configuration.get(BATCH_SIZE)
    return None if size is None else int(size)
