"""A run of a heat: its process from heat to heat, told what to do, and what came of it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..worker import exchange, protocol
from ..worker.protocol import UNSET, Outcome, TrialResult, TrialSpec
from .launcher import Launcher, cannot_start
from .process import Process, end, wait_for_answers

LEAVING_S = 30.0


@dataclass
class Member:
    """A run of a heat: alive until it has left. result: None while it is well.

    out: it has left, or could not be checked, by no fault of its own.
    """

    launcher: Launcher
    spec: TrialSpec
    folder: Path
    process: Process | None = None
    result: TrialResult | None = None
    out: bool = False
    scored: int = 0
    ended_ns: int = 0

    @property
    def alive(self) -> bool:
        """May it have another turn?"""
        return self.result is None and not self.out

    @property
    def transforms(self) -> bool:
        """Does one of its knobs change how the model is executed?"""
        return any(knob.apply == "model" and knob.value != UNSET for knob in self.spec.knobs)

    def start(self) -> None:
        """Start its process."""
        try:
            self.process = self.launcher.start(self.spec, self.folder)
        except OSError as error:
            self._ended(cannot_start(error))

    def has_answered(self) -> bool:
        """Take its answer; False where it has ended instead: then nothing is left of it."""
        assert self.process is not None
        if self.process.answers:
            self.scored = int(self.process.answers.popleft()[1])
            return True
        end([self.process])
        self._ended(self.launcher.result(self.spec, self.folder, self.process))
        return False

    def do(self, word: str, number: int = 0) -> bool:
        """Tell it, and wait until it is done; False where it has ended."""
        assert self.process is not None
        self.process.send(word, number)
        wait_for_answers([self.process], self.spec.deadline_s)
        return self.has_answered()

    def leave(self) -> None:
        """Have it end by itself; a second time there is nothing to do."""
        with leaving([self]):
            pass

    def part(self, heat: int) -> TrialResult:
        """What it measured in a heat, or how it ended."""
        if self.result is not None:
            return self.result
        return exchange.read(TrialResult, str(self.folder / protocol.PART_FILE.format(heat)))

    def _ended(self, result: TrialResult) -> None:
        self.result, self.ended_ns = result, time.monotonic_ns()
        if result.outcome == Outcome.OK:  # it left before its time
            message = "ended before its last turn"
            self.result = TrialResult(Outcome.CRASHED, message)


@contextlib.contextmanager
def leaving(members: Sequence[Member]) -> Iterator[None]:
    """Have them end by themselves after the block, as a device wants it; at once where it fails.

    Then nothing of them is left.
    """
    try:
        yield
        processes = _living(members)
        for process in processes:
            process.send(protocol.LEAVE)
        wait_for_answers(processes, LEAVING_S)
    finally:
        end(_living(members))
        for member in members:
            member.out = member.out or member.alive


def _living(members: Sequence[Member]) -> list[Process]:
    return [m.process for m in members if m.alive and m.process is not None]
