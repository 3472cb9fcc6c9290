"""What Optuna is asked for a study, and what it is told of the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..errors import UsageError
from ..evidence.measured import Measured
from ..space.model import Configuration
from ..worker.protocol import Outcome
from .proposals import has_failed, why_not_launched
from .runner import Runner
from .sampler import Proposal, Search

REFUSALS_IN_A_ROW = 500
TABU_PROPOSALS = 20  # after so many in a row what is known, or has failed, is run again


@dataclass
class Asking:
    """twins: proposals that are what another of the heat in hand is already."""

    runner: Runner
    search: Search
    twins: list[Proposal] = field(default_factory=list)

    def ask(
        self, fixed: Callable[[], Configuration], beside: Sequence[Configuration] = ()
    ) -> Proposal | None:
        """The next proposal that is worth a run; None where none differs from those beside it.

        What a rule forbids, or has failed before, is told so; what is known already is told its
        median. Neither counts. fixed: knobs of a proposal that is not waiting.

        Raises UsageError where the rules leave nothing.
        """
        space, runs, why = self.runner.space, self.runner.runs, ""
        summary = self.runner.summary()
        taken = [summary.identity(configuration) for configuration in beside]
        for attempt in range(REFUSALS_IN_A_ROW):
            if not self.search.has_waiting():
                self.search.enqueue(fixed())
            proposal = self.search.ask()
            configuration, enough = proposal.configuration, attempt >= TABU_PROPOSALS
            why = why_not_launched(space, configuration, runs, beside)
            if why:
                self.search.refuse(proposal.number)
            elif summary.identity(configuration) in taken:
                self.twins.append(proposal)
                if enough:
                    return None
            elif enough:
                return proposal
            elif measured := self.known(configuration):
                self.tell_known(proposal.number, measured)
            elif has_failed(space, configuration, runs):
                self.search.refuse(proposal.number)
            else:
                return proposal
        if beside:
            return None
        raise UsageError(
            f"{REFUSALS_IN_A_ROW} proposals in a row were refused ({why}): loosen the rules of "
            f"search space {space.name}"
        )

    def known(self, configuration: Configuration) -> Measured | None:
        """What is measured of a configuration; None where it is not, or has failed."""
        summary = self.runner.summary()
        measured = summary.measured_of(summary.identity(configuration))
        return measured if measured and measured.value is not None else None

    def tell(self, proposal: Proposal) -> None:
        """Tell what became of a proposal that was run: the median over all runs of what it is."""
        own = [r.outcome for r in self.runner.runs if r.trial == proposal.number]
        if Outcome.OK in own:
            measured = self.known(proposal.configuration)
            assert measured is not None
            self.tell_known(proposal.number, measured)
        else:
            self.search.tell(proposal.number, own[-1], None)

    def tell_known(self, number: int, measured: Measured) -> None:
        """Tell a value that is known."""
        limit = self.runner.setup.max_latency_ms
        excess = None if limit is None else (measured.latency_ms or 0.0) - limit
        self.search.tell(number, Outcome.OK, measured.value, excess)

    def tell_twins(self) -> None:
        """Tell the twins of a heat that was measured what it has shown."""
        for twin in self.twins:
            measured = self.known(twin.configuration)
            if measured:
                self.tell_known(twin.number, measured)
            else:
                self.search.refuse(twin.number)
        self.twins = []

    def is_recorded(self, proposal: Proposal) -> bool:
        """Has it been run?"""
        return any(recorded.trial == proposal.number for recorded in self.runner.runs)
