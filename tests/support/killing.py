"""Studies in processes of their own that are killed at a chosen moment, and what is left of them.

A moment is seen from outside: by a run's specification, its parts, the states of its processes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support import ROOT
from tests.support.command import PROGRAM
from tuner.runs.lease import FOLDER_VARIABLE
from tuner.runs.records import RecordedRun
from tuner.runs.store import Store
from tuner.worker.protocol import TOKEN_VARIABLE, Role

LOOK_EVERY_S = 0.005
SEARCH_EVERY_S = 0.1
LONGEST_S = 300.0  # for a moment to come, or a study to end
NAME = "s"


@dataclass(frozen=True)
class Worker:
    """A process with the token of a run. state: of proc(5), T where it is stopped.

    measures: is it the measuring process itself, neither its supervisor nor what it has started?
    """

    pid: int
    folder: Path
    state: str
    measures: bool
    supervisor: int


@dataclass
class Study:
    """A study `s` in a folder. options: of its beginning. process: that runs it now.

    seen: how often each measuring process was seen to go on after it was stopped.
    """

    folder: Path
    options: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    seen: Counter[int] = field(default_factory=Counter)
    stopped: frozenset[int] = frozenset()
    known: list[Worker] = field(default_factory=list)
    searched_s: float = 0.0
    recorded: int = 0  # runs, when the process began

    @property
    def work(self) -> Path:
        """Where its run folders are made."""
        return self.folder.resolve() / "results" / ".work" / NAME

    @property
    def locks(self) -> Path:
        """Of its devices: its own, it neither waits for another study nor makes one wait."""
        return self.folder / "locks"

    @property
    def output(self) -> str:
        """All that its processes have printed."""
        return (self.folder / "output").read_text()

    def begin(self) -> None:
        """Start it; it waits for no device."""
        self._start("--study", NAME, "--no-wait", *self.options)

    def resume(self, *options: str) -> None:
        """Go on with it at once."""
        self._start("--resume", "--study", NAME, "--no-wait", *options)

    def _start(self, *arguments: str) -> None:
        own = {FOLDER_VARIABLE: str(self.locks), "PYTHONPATH": str(ROOT)}
        self.seen, self.stopped, self.recorded = Counter(), frozenset(), self.count()
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [*PROGRAM, *arguments, "--quiet"],
                cwd=self.folder,
                env={**os.environ, **self.environment, **own},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C is for its group
            )

    def count(self) -> int:
        """How many runs are recorded."""
        file = self.folder / "results" / "npu-tune.db"
        if not file.exists():
            return 0
        with (
            contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as database,
            contextlib.suppress(sqlite3.OperationalError),  # it is just being made
        ):
            return int(database.execute("SELECT count(*) FROM tuner_runs").fetchone()[0])
        return 0

    def signal(self, number: int) -> None:
        """Send one to the controller's group, in which no worker is."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    @property
    def runs_now(self) -> bool:
        """Has it a process that has not ended?"""
        return self.process is not None and self.process.poll() is None

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        assert self.process is not None
        return self.process.wait(LONGEST_S)

    def wait_for(self, moment: Moment) -> None:
        """Return at that moment. Raises AssertionError where it does not come."""
        assert self.process is not None
        until = time.monotonic() + LONGEST_S
        while not moment(self):
            if self.process.poll() is not None and moment(self):
                break
            assert self.process.poll() is None, f"ended before the moment: {self.output}"
            assert time.monotonic() < until, f"the moment did not come: {self.output}"
            time.sleep(LOOK_EVERY_S)

    def workers(self) -> list[Worker]:
        """Every process whose environment has the token of one of its runs."""
        mark = f"{TOKEN_VARIABLE}={self.work}:".encode()
        workers = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                with contextlib.suppress(OSError):
                    environment = Path("/proc", entry, "environ").read_bytes().split(b"\0")
                    token = next((item for item in environment if item.startswith(mark)), b"")
                    if token:
                        workers.append(_worker(entry, self.work / token[len(mark) :].decode()))
        return workers

    def relays(self) -> list[int]:
        """Every process that has one of its run folders as an argument: a prefix's client, too."""
        mark, own = f"{self.work}/run-".encode(), []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and int(entry) != os.getpid():
                with contextlib.suppress(OSError):
                    if mark in Path("/proc", entry, "cmdline").read_bytes():
                        own.append(int(entry))
        return own

    def measuring(self) -> list[Worker]:
        """Its measuring processes; those that went on since the last look are counted.

        New ones are looked for ten times a second: that costs more than what is looked at.
        """
        if time.monotonic() - self.searched_s > SEARCH_EVERY_S:
            self.known = [worker for worker in self.workers() if worker.measures]
            self.searched_s = time.monotonic()
        workers = []
        for worker in self.known:
            with contextlib.suppress(OSError):
                workers.append(replace(worker, state=_stat(worker.pid)[0]))
        stopped = frozenset(worker.pid for worker in workers if worker.state == "T")
        self.seen.update(w.pid for w in workers if w.pid in self.stopped - stopped)
        self.stopped = stopped
        return workers

    def specs(self) -> dict[Path, dict[str, object]]:
        """What the runs of the heat in hand are asked, by their folders."""
        specs = {}
        for file in self.work.glob("run-*/spec.json"):
            with contextlib.suppress(OSError, ValueError):
                spec = json.loads(file.read_text())
                if spec["heat"]:
                    specs[file.parent] = spec
        return specs

    def in_hand(self) -> Counter[tuple[object, object]]:
        """Trial and role of the runs of the heat in hand; the companion is in all of them."""
        specs = self.specs().values()
        return Counter((s["trial"], s["role"]) for s in specs if s["role"] != Role.COMPANION.value)

    def parts(self) -> int:
        """How many of the heat in hand have written what they measured."""
        heats = {s["heat"] for s in self.specs().values() if s["role"] != Role.COMPANION.value}
        return sum(
            len(list(folder.glob(f"part-{heat}.json"))) for folder in self.specs() for heat in heats
        )

    def runs(self) -> list[RecordedRun]:
        """What is recorded."""
        store = Store(self.storage, create=False)
        try:
            return store.runs(NAME)
        finally:
            store.close()

    @property
    def storage(self) -> str:
        """Its database."""
        return f"sqlite:///{self.folder.resolve()}/results/npu-tune.db"

    def seconds_to_nothing(self, limit_s: float) -> float | None:
        """How long it takes until nothing of its runs is left; None where something stays."""
        return _seconds_until(lambda: not self.workers() and not self.relays(), limit_s)

    def seconds_to_free(self, limit_s: float) -> float | None:
        """How long it takes until its device can be locked; None where it cannot."""
        return _seconds_until(self._is_free, limit_s)

    def _is_free(self) -> bool:
        for file in self.locks.glob("*.lock"):
            with file.open() as lock, contextlib.suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                continue
            return False
        return True


Moment = Callable[[Study], bool]


def _worker(pid: str, folder: Path) -> Worker:
    state, parent = _stat(int(pid))
    arguments = Path("/proc", pid, "cmdline").read_bytes().split(b"\0")
    measures = arguments[-3:-1] == [b"--measure", parent.encode()]
    return Worker(int(pid), folder, state, measures, int(parent))


def _stat(pid: int) -> tuple[str, str]:
    """State and parent."""
    words = Path("/proc", str(pid), "stat").read_text().rpartition(") ")[2].split()
    return words[0], words[1]


def _seconds_until(condition: Callable[[], bool], limit_s: float) -> float | None:
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > limit_s:
            return None
        time.sleep(LOOK_EVERY_S)
    return time.monotonic() - began


def preparing(study: Study) -> bool:
    """Two of a heat run at once."""
    return len([w for w in study.measuring() if w.state != "T"]) > 1


def in_turn(turns: int = 4) -> Moment:
    """One of a heat has its turn, while the others are stopped; so many were before it."""

    def moment(study: Study) -> bool:
        workers = study.measuring()
        running = [w for w in workers if w.state != "T"]
        alone = len(running) == 1 and study.seen[running[0].pid] > 0
        return alone and len(workers) > 1 and study.seen.total() > turns and not study.parts()

    return moment


def part_written(study: Study) -> bool:
    """The first of a heat has written its part."""
    return study.parts() > 0


def all_parts_written(study: Study) -> bool:
    """All of a heat have; it is not committed yet."""
    return 0 < len(study.specs()) == study.parts()


def of_role(role: Role, moment: Moment) -> Moment:
    """That moment, in a heat of nothing but such runs."""

    def own(study: Study) -> bool:
        roles = {spec["role"] for spec in study.specs().values()}
        return roles == {role.value} and moment(study)

    return own


def committed(study: Study) -> bool:
    """A heat has been committed: Optuna is told next."""
    return study.count() > study.recorded + 1


def all_stopped(study: Study) -> bool:
    """Everything that measures is stopped."""
    return all(worker.state == "T" for worker in study.measuring())
