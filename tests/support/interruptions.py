"""What may happen to a study while a heat is measured, and what it leaves."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from tests.support import accounts
from tests.support.killing import (
    Moment,
    Study,
    all_parts_written,
    all_stopped,
    committed,
    in_turn,
    part_written,
    preparing,
)
from tuner.runs.process import GRACE_S
from tuner.runs.records import RecordedRun
from tuner.worker.protocol import Role

GONE_WITHIN_S = 5.0
DEADLINE_S = 6.0  # which the study has as its --timeout
HELD_S = DEADLINE_S + GRACE_S + 1.0
FINISHING = "finishing the run in hand"


@dataclass(frozen=True)
class Interruption:
    """moments: when it happens, one after the other where it is made several times.

    code: how the controller ends; None: it goes on. kept: whether the heat in hand is recorded;
    None: all or nothing of it.
    """

    name: str
    moments: tuple[Moment, ...]
    act: Callable[[Study], None]
    code: int | None
    kept: bool | None


@dataclass(frozen=True)
class Aftermath:
    """gone_s, free_s: until no process was left, and the lock was free; None: not within the limit.

    before: what was recorded then. faults: in words.
    """

    gone_s: float | None
    free_s: float | None
    before: list[RecordedRun]
    faults: list[str]


def interrupt(
    study: Study, interruption: Interruption, turn: int = 0, looks: bool = True
) -> Aftermath:
    """Have it happen to a study that runs, at its moment of that turn.

    looks: wait until nothing is left; else go on at once.
    """
    study.wait_for(interruption.moments[turn % len(interruption.moments)])
    heat, count, faults = study.in_hand(), study.count(), []
    interruption.act(study)
    gone_s = free_s = None
    if interruption.code is None:
        study.wait_for(lambda s: s.count() > count and not heat - _recorded_since(s.runs(), count))
    else:
        faults = _faults_of_end(study, interruption.code)
        limit_s = GONE_WITHIN_S if looks else 0.0
        gone_s, free_s = study.seconds_to_nothing(limit_s), study.seconds_to_free(limit_s)
        if looks and gone_s is None:
            faults.append(f"left: {study.workers()} {study.relays()}")
        if looks and free_s is None:
            faults.append("the device is locked")
    before = study.runs()
    both = _recorded_since(before, count) & heat
    if both != (heat if interruption.kept or (interruption.kept is None and both) else Counter()):
        faults.append(f"of the heat {dict(heat)} there is {dict(both)}")
    return Aftermath(gone_s, free_s, before, faults)


def _recorded_since(runs: list[RecordedRun], count: int) -> Counter[tuple[object, object]]:
    """Trial and role of each but the companion's."""
    return Counter((r.trial, r.role.value) for r in runs[count:] if r.role != Role.COMPANION)


def _faults_of_end(study: Study, code: int) -> list[str]:
    ended = study.ended()
    return [] if ended == code else [f"exit code {ended}, not {code}: {study.output}"]


def finish(study: Study, trials: int, before: list[RecordedRun]) -> list[str]:
    """Have it go on to its end, or resume it; what is wrong then."""
    if not study.runs_now:
        study.resume()
    faults = _faults_of_end(study, 0) or accounts.faults(study, trials, before)
    return faults + ([f"left: {study.workers()}"] if study.seconds_to_nothing(0.0) is None else [])


def kill(study: Study) -> None:
    """As kill -9 does."""
    study.signal(signal.SIGKILL)


def kill_between_turns(study: Study) -> None:
    """Hold the controller until the turn in hand is over, then kill it: all are stopped."""
    study.signal(signal.SIGSTOP)
    study.wait_for(all_stopped)
    study.signal(signal.SIGKILL)


def kill_of(role: Role, supervisor: bool) -> Callable[[Study], None]:
    """Kill the measuring process, or the supervisor, of a run of that role."""

    def act(study: Study) -> None:
        specs = study.specs()
        worker = next(w for w in study.measuring() if specs[w.folder]["role"] == role.value)
        os.kill(worker.supervisor if supervisor else worker.pid, signal.SIGKILL)

    return act


def interrupt_once(study: Study) -> None:
    """Ctrl-C."""
    study.signal(signal.SIGINT)


def interrupt_twice(study: Study) -> None:
    """Ctrl-C, and once more when it has said that it finishes the heat."""
    before = study.output.count(FINISHING)
    study.signal(signal.SIGINT)
    study.wait_for(lambda s: s.output.count(FINISHING) > before)
    study.signal(signal.SIGINT)


def suspend(study: Study) -> None:
    """Ctrl-Z for longer than any run may take, and on."""
    study.signal(signal.SIGSTOP)
    time.sleep(HELD_S)
    study.signal(signal.SIGCONT)


IN_TURNS = tuple(in_turn(turns) for turns in (4, 9, 14, 19))
KILLED = (
    Interruption("killed in preparation", (preparing,), kill, -9, False),
    Interruption("killed in a turn", IN_TURNS, kill, -9, False),
    Interruption("killed between turns", IN_TURNS, kill_between_turns, -9, False),
    Interruption(
        "killed while parts are written", (all_parts_written, part_written), kill, -9, None
    ),
    Interruption("killed after a heat's commit", (committed,), kill, -9, None),
)
OTHERS = (
    Interruption("companion dies", IN_TURNS, kill_of(Role.COMPANION, False), None, True),
    Interruption("its supervisor dies", IN_TURNS, kill_of(Role.COMPANION, True), None, True),
    Interruption("a run's supervisor dies", IN_TURNS, kill_of(Role.SEARCH, True), None, True),
    Interruption("Ctrl-C", (*IN_TURNS, preparing), interrupt_once, 130, True),
    Interruption("Ctrl-C twice", (*IN_TURNS, preparing), interrupt_twice, 130, False),
    Interruption("Ctrl-Z and on", (*IN_TURNS, preparing), suspend, None, True),
)
INTERRUPTIONS = KILLED + OTHERS
