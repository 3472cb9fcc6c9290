"""Heats of a study: made of what is wanted, committed at once; the companion of its search."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from ..errors import UnfitEnvironmentError
from ..evidence.ruler import RUNS_FOR_STEP, Companion
from ..runs.heat import CompanionEnded
from ..runs.launcher import Launcher, may_be_for_memory
from ..runs.member import Member
from ..runs.records import RecordedRun, Run
from ..runs.watch import witnessed
from ..space.model import Configuration
from ..worker.protocol import Role, TrialSpec
from .runner import Runner

LOST_IN_A_ROW = 3


@dataclass(frozen=True)
class Entry:
    """A run that is wanted, and whose study it belongs to. block: of a step, else 0."""

    runner: Runner
    trial: int
    configuration: Configuration
    role: Role
    block: int = 0

    def spec(self) -> TrialSpec:
        """What the worker is asked."""
        return self.runner.trial_spec(self.trial, self.configuration, self.role, self.block)


@dataclass
class Company:
    """The companion of a study's search, and a second one in the heat that replaces it."""

    runner: Runner
    stack: contextlib.ExitStack
    members: list[Member] = field(default_factory=list)
    lost: int = 0  # heats in a row

    @property
    def number(self) -> int:
        """Of the companion that the next heat is measured by; 0 before there is one."""
        return self.members[-1].spec.companion if self.members else 0

    @property
    def current(self) -> Companion | None:
        """What is known of it; None for a new one."""
        companions = self.runner.summary().ruler.companions
        return next((c for c in companions if c.number == self.number), None)

    @property
    def missing_for_step(self) -> int:
        """Fresh runs of the baseline that say how this companion compares with the one before.

        None where there was none, or where the two overlapped.
        """
        current = self.current
        if current is None:
            return RUNS_FOR_STEP if self.runner.summary().ruler.companions else 0
        return max(0, RUNS_FOR_STEP - len(current.baselines)) if current.apart else 0

    def ready(self) -> list[Member]:
        """Who is to be in the next heat: one more where the present one has moved."""
        current = self.current
        if not self.members or (current is not None and current.has_moved):
            self._add()
        return self.members

    def _add(self) -> None:
        runner, base = self.runner, self.runner.space.baseline()
        assert runner.launcher is not None
        known = [r.run.spec.companion for r in runner.runs]
        number = 1 + max([*known, self.number], default=0)
        spec = replace(runner.trial_spec(0, base, Role.COMPANION), heat=1, companion=number)
        self.members.append(self.stack.enter_context(runner.heats.companion(runner.launcher, spec)))

    def measured(self) -> None:
        """A heat is committed: one that was replaced in it is not needed any more."""
        self.lost = 0
        if len(self.members) > 1:
            newest = self.members[-1]
            for old in self.members[:-1]:
                old.leave()
            self.members = [newest]

    def lose(self, ended: CompanionEnded) -> None:
        """The heat was lost with its companion: another one, or the end.

        Raises UnfitEnvironmentError.
        """
        self.lost += 1
        for member in self.members:
            member.leave()
        self.members = []
        if self.lost >= LOST_IN_A_ROW:
            raise UnfitEnvironmentError(
                f"the baseline that runs beside the search ended {self.lost} times in a row: "
                f"{ended.result.outcome.value}: {ended.result.message}; mend it, or measure one "
                "run after the other with --heat 1"
            ) from ended


@contextlib.contextmanager
def company(runner: Runner) -> Iterator[Company]:
    """The companion of a search, which ends with the block."""
    with contextlib.ExitStack() as stack:
        yield Company(runner, stack)


def make(entries: Sequence[Entry], beside: Company | None = None) -> list[RecordedRun]:
    """Make one heat; its recorded runs in their order, without those that could not be checked.

    What runs out of memory there is made again with nobody but the companion, before it is told.
    """
    runs, parts = _measured(entries, beside)
    in_company = len(entries) > 1
    again = [in_company and run is not None and may_be_for_memory(run.result) for run in runs]
    kept = [None if short else run for short, run in zip(again, runs, strict=True)]
    records = _commit(entries, kept, parts, beside)
    for place, short in enumerate(again):
        if short:
            (records[place],) = _commit(
                [entries[place]], *_measured([entries[place]], beside), beside
            )
    return [recorded for recorded in records if recorded is not None]


def _measured(
    entries: Sequence[Entry], beside: Company | None
) -> tuple[list[Run | None], list[Run]]:
    """The runs of a heat, and its companions' parts. A heat whose companion ends is made again."""
    runner = entries[0].runner
    number = 1 + max((r.run.spec.heat for e in entries for r in e.runner.runs), default=0)
    others = runner.watch()

    def tell(phase: str, turn: int) -> None:
        runner.observer.heat_at(number, phase, turn)

    while True:
        members = beside.ready() if beside else []
        wanted = [(_launcher(entry), _in_heat(entry, number, beside)) for entry in entries]
        try:
            runs, parts = runner.heats.measure(number, wanted, members, tell, runner.usable_cpus)
        except CompanionEnded as ended:
            assert beside is not None
            beside.lose(ended)
            continue
        return (
            [run and witnessed(run, others) for run in runs],
            [witnessed(part, others) for part in parts],
        )


def _launcher(entry: Entry) -> Launcher:
    assert entry.runner.launcher is not None
    return entry.runner.launcher


def _in_heat(entry: Entry, number: int, beside: Company | None) -> TrialSpec:
    return replace(entry.spec(), heat=number, companion=beside.number if beside else 0)


def _commit(
    entries: Sequence[Entry],
    runs: Sequence[Run | None],
    parts: Sequence[Run],
    beside: Company | None,
) -> list[RecordedRun | None]:
    """All runs of the heat at once, for each study that has some in it; a record for each entry."""
    records: list[RecordedRun | None] = [None] * len(entries)
    for runner in {id(entry.runner): entry.runner for entry in entries}.values():
        mine = [
            (place, run)
            for place, (entry, run) in enumerate(zip(entries, runs, strict=True))
            if run is not None and entry.runner is runner
        ]
        base = runner.space.baseline()
        made = [(entries[place].configuration, run) for place, run in mine]
        recorded = runner.commit([*made, *((base, part) for part in parts)])
        for (place, _), record in zip(mine, recorded, strict=False):
            records[place] = record
    if beside:
        beside.measured()
    return records
