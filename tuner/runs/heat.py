"""Heats: runs whose processes are alive together, and measured in turns.

What happens to the host happens to all of them. They prepare at the same time; then one at a time
has its turn, and what waits is still. Why and how: docs/explanation/heats.md.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from ..worker import protocol
from ..worker.protocol import Role, TrialResult, TrialSpec
from .launcher import Launcher
from .log import log_tail
from .member import Member, leaving
from .order import order
from .process import Process, end, wait_for_one
from .records import Run

TURN_S = 0.1  # at least: `turns.TURN_NS` of the worker
MIN_TURNS = 10
MIN_SAMPLES = 64  # which a 90th percentile needs
LONGEST_S = 6.0  # of a run's turns, on average over the heat
LEAST_TURNS = 3  # however long they take: each has its block then

Tell = Callable[[str, int], None]  # phase, number of the turn


class CompanionEnded(Exception):
    """A heat without its ruler. result: how the companion ended."""

    def __init__(self, result: TrialResult) -> None:
        super().__init__(result.message)
        self.result = result


@dataclass
class Heat:
    """One heat in progress. number: from 1, of its study. tell: is told where it is.

    at_once: how many prepare at a time; more than there are processors would only take longer.
    """

    number: int
    members: Sequence[Member]
    companions: Sequence[Member] = ()
    tell: Tell = lambda _phase, _turn: None
    at_once: int = 2
    rounds: int = field(init=False, default=0)
    _in_turns_s: float = field(init=False, default=0.0)

    @property
    def alive(self) -> list[Member]:
        """Who is to have turns: companions first."""
        return [m for m in (*self.companions, *self.members) if m.alive]

    def measure(self) -> None:
        """Prepare all, give them their turns, have each write its part.

        Where a companion ends before that, nobody's samples are worth anything: it returns then.
        """
        self.prepare()
        for word in (protocol.BEGIN, protocol.WARM):
            for member in self._in_order_of_need():
                if self._is_over():
                    return
                self.tell(word, 0)
                if not member.do(word, self.number) and member.spec.role == Role.BASELINE:
                    self._without_reference(member)
        while not self._is_over() and not self._enough():
            self._round()
        for member in self.alive:
            if not self._is_over():
                member.do(protocol.PART, self.number)

    def _is_over(self) -> bool:
        return not all(c.alive for c in self.companions) or not self.alive

    def prepare(self) -> None:
        """Start who is new, `at_once` at a time, and wait until each is ready or has ended.

        What transforms or compiles the model takes longest: it begins first.
        """
        new = [m for m in (*self.companions, *self.members) if m.process is None and m.alive]
        new.sort(key=lambda member: not member.transforms)
        self.tell("prepare", 0)
        preparing: dict[int, tuple[Member, Process]] = {}
        while new or preparing:
            while new and len(preparing) < self.at_once:
                member = new.pop(0)
                member.start()
                if member.process is not None:
                    preparing[id(member)] = member, member.process
            if not preparing:
                continue
            deadline_s = max(member.spec.deadline_s for member, _ in preparing.values())
            wait_for_one([process for _, process in preparing.values()], deadline_s)
            for key, (member, process) in list(preparing.items()):
                if process.answers or process.ended:
                    member.has_answered()
                    del preparing[key]

    def _in_order_of_need(self) -> list[Member]:
        """The baseline makes the reference that others are compared with."""
        return sorted(self.alive, key=lambda m: m.spec.role not in (Role.COMPANION, Role.BASELINE))

    def _without_reference(self, baseline: Member) -> None:
        """Where the baseline made no reference output, the others cannot be checked: they end."""
        path = Path(baseline.spec.reference_path)
        if path.exists():
            return
        for member in self.members:
            if member.alive and member.spec.reference_path == baseline.spec.reference_path:
                assert member.process is not None
                end([member.process])
                member.out = True

    def _enough(self) -> bool:
        if not any(self._wants_turn(member) for member in self.members):
            return True
        return self.rounds >= LEAST_TURNS and self._in_turns_s >= LONGEST_S * len(self.alive)

    def _wants_turn(self, member: Member) -> bool:
        """A companion is there as long as others are; beside one, each leaves off when it may."""
        if member in self.companions or not member.alive:
            return member.alive
        others = [member] if self.companions else [m for m in self.members if m.alive]
        return self.rounds < MIN_TURNS or any(m.scored < MIN_SAMPLES for m in others)

    def _round(self) -> None:
        """A turn for each who wants one."""
        everybody = [*self.companions, *self.members]
        taking = [self._wants_turn(member) for member in everybody]
        self.tell(protocol.TURN, self.rounds)
        for place in order(len(everybody), self.rounds):
            member = everybody[place]
            if self._is_over():
                return
            if taking[place] and member.alive:
                began = time.monotonic()
                member.do(protocol.TURN, self.rounds)
                self._in_turns_s += time.monotonic() - began
        self.rounds += 1


@contextlib.contextmanager
def companion(launcher: Launcher, spec: TrialSpec) -> Iterator[Member]:
    """A process that stays alive from heat to heat; it is started by the first."""
    with launcher.run_folder() as folder:
        member = Member(launcher, spec, folder)
        with leaving([member]):
            yield member


def beside(waiting: Member, launcher: Launcher, spec: TrialSpec) -> TrialResult:
    """The result of a run while another, prepared, waits for its turn; or why that one does not."""
    Heat(0, (), (waiting,)).prepare()
    return waiting.result or launcher.run(spec).result


def measure(
    number: int,
    wanted: Sequence[tuple[Launcher, TrialSpec]],
    companions: Sequence[Member] = (),
    tell: Tell = lambda _phase, _turn: None,
    at_once: int = 2,
) -> tuple[list[Run | None], list[Run]]:
    """Make these runs in one heat, beside the companions: the runs, and the companions' parts.

    None for what was dropped, because the baseline beside it made no reference output. No parts
    where no run came so far as to be measured. Raises CompanionEnded: the heat is to be made again
    then.
    """
    began, began_ns = datetime.now(timezone.utc), time.monotonic_ns()
    with contextlib.ExitStack() as stack:
        members = [
            Member(launcher, spec, stack.enter_context(launcher.run_folder()))
            for launcher, spec in wanted
        ]
        heat = Heat(number, members, companions, tell, at_once)
        with leaving(members):
            heat.measure()
            dropped = [member.out for member in members]
        for lost in companions:
            if lost.result is not None:
                raise CompanionEnded(lost.result)
        made = [m for m, out in zip(members, dropped, strict=True) if not out]
        everybody = [*made, *(companions if heat.rounds else ())]
        results = _with_company([member.part(number) for member in everybody])
        runs = {
            id(member): _run(
                member, number, result, began + timedelta(microseconds=place), began_ns
            )
            for place, (member, result) in enumerate(zip(everybody, results, strict=True))
        }
        return (
            [runs.get(id(member)) for member in members],
            [runs[id(member)] for member in companions if id(member) in runs],
        )


def _run(member: Member, number: int, result: TrialResult, began: datetime, began_ns: int) -> Run:
    """A member's share of the heat. began: its own, which keeps their order."""
    wall_ns = (member.ended_ns or time.monotonic_ns()) - began_ns
    tail = log_tail(member.folder / protocol.LOG_FILE)
    return Run(replace(member.spec, heat=number), result, tail, began, wall_ns)


def _with_company(results: Sequence[TrialResult]) -> list[TrialResult]:
    """With what the others of the heat used of the processors: that is no disturbance."""
    used = [
        r.witnesses_after["process_cpu_s"] - r.witnesses_before["process_cpu_s"]
        if "process_cpu_s" in r.witnesses_after
        else 0.0
        for r in results
    ]
    return [
        replace(r, witnesses_after={**r.witnesses_after, "company_cpu_s": sum(used) - own})
        if r.witnesses_after
        else r
        for r, own in zip(results, used, strict=True)
    ]
