"""Starts the measuring process, passes turns on to it, stops it between them, ends it.

One process of the standard library, so that waiting, deadlines and lifelines are the same with and
without a prefix, and nothing is stopped by anybody who could not continue or end it. One reader
owns standard input: lines are turns, its end means that the controller is gone.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from typing import Any, Iterator, List, NoReturn, Optional

from .protocol import (
    ENDED,
    LEASE_VARIABLE,
    LOG_FILE,
    PART,
    SPEC_FILE,
    STARTED_FILE,
    TIMED_OUT,
    TOKEN_VARIABLE,
)

SWEEPS = 20  # for what a dying process started meanwhile
SWEEP_PAUSE_S = 0.05
PIPE_BYTES = 65_536


def supervise(run_dir: str, command: List[str], foreground: bool) -> NoReturn:
    """Run the measuring process to its end, and end as it did. Never returns.

    command: starts the measuring process; this one's number is appended. foreground: its output
    goes where this one's does, instead of to the log.
    """
    answers = os.dup(1)
    if not foreground:
        log = os.open(os.path.join(run_dir, LOG_FILE), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 2)
    os.dup2(2, 1)  # the line on which we answer is for answers only
    with open(os.path.join(run_dir, STARTED_FILE), "w"):
        pass
    with open(os.path.join(run_dir, SPEC_FILE), encoding="utf-8") as file:
        spec = json.load(file)
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(1))
    supervisor = Supervisor(answers, spec["deadline_s"], spec["backend"] == "cpu")
    code = 1
    with _temporary_folder():
        try:
            code = supervisor.run(command)
        finally:
            supervisor.end()
    _leave(code)


@contextlib.contextmanager
def _temporary_folder() -> Iterator[None]:
    """One of its own for the run, gone with it: compilers and torch leave theirs when ended.

    Below the usual one: a path in the run's folder may be too long for a socket (unix(7)).
    """
    usual, name = os.environ.get("TMPDIR") or "/tmp", "npu-tune-{}-{}"
    folder = os.path.join(usual, name.format(os.getpid(), time.monotonic_ns()))
    try:
        os.mkdir(folder, 0o700)
    except OSError:  # whoever wants one will say so
        yield
        return
    os.environ["TMPDIR"] = folder
    try:
        yield
    finally:
        import shutil  # late: it takes as long to import as all else here, and nobody waits now

        shutil.rmtree(folder, ignore_errors=True)


class Supervisor:
    """stops: whether what waits is stopped; a process that holds a device's context never is."""

    def __init__(self, answers: int, deadline_s: float, stops: bool) -> None:
        self.answers, self.deadline_s, self.stops = answers, deadline_s, stops
        self.token = os.environ.get(TOKEN_VARIABLE, "")
        self.process: Any = None
        self.stopped = False
        self.stopping = ""  # what is to be answered as soon as it has stopped
        self.spent_s = 0.0  # of preparation and turns, since the last part
        self.since: Optional[float] = None  # when it was let run; None: it waits
        self.commands: List[str] = []
        self.inputs = {0: b""}  # file -> the beginning of a line

    def run(self, command: List[str]) -> int:
        """Start it; return how it ended: an exit code, or a signal's number below 0."""
        wakeup, wake = os.pipe()
        os.set_blocking(wakeup, False)
        os.set_blocking(wake, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        lease = os.environ.get(LEASE_VARIABLE, "")
        self.process = subprocess.Popen(
            [*command, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[int(lease)] if lease else [],
        )
        self.since = time.monotonic()
        said = self.process.stdout.fileno()
        self.inputs[said] = b""
        with selectors.DefaultSelector() as selector:
            for file in (0, said, wakeup):
                selector.register(file, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select(self._left_s()):
                    if key.fd == wakeup:
                        with contextlib.suppress(BlockingIOError):
                            os.read(wakeup, PIPE_BYTES)
                    elif not self._read(key.fd):
                        selector.unregister(key.fd)
                code = self._ended()
                if code is not None:
                    return self._last_words(said, code)

    def _left_s(self) -> Optional[float]:
        if self.since is None:
            return None
        return max(0.0, self.deadline_s - self.spent_s - (time.monotonic() - self.since))

    def _read(self, file: int) -> bool:
        """Take in what came; False at the end of it."""
        data = os.read(file, PIPE_BYTES)
        if not data and file == 0:
            sys.exit(1)  # the controller is gone
        *lines, self.inputs[file] = (self.inputs[file] + data).split(b"\n")
        for line in lines:
            text = line.decode(errors="replace")
            if file == 0:
                self.commands.append(text)
            elif self.token and text.startswith(self.token + " "):
                self._answered(text)
            else:
                os.write(2, line + b"\n")
        self._pass_on()
        return bool(data)

    def _pass_on(self) -> None:
        """Give it the next line, once it waits."""
        if not self.commands or self.since is not None or self.stopping:
            return
        line = self.commands.pop(0)
        if self.stopped:
            self.process.send_signal(signal.SIGCONT)
            self.stopped = False
        self.since = time.monotonic()
        with contextlib.suppress(BrokenPipeError):  # it has just ended
            self.process.stdin.write(line.encode() + b"\n")
            self.process.stdin.flush()

    def _answered(self, line: str) -> None:
        """It waits again: stop it, and then say so."""
        if self.since is not None:
            self.spent_s += time.monotonic() - self.since
        self.since = None
        if line[len(self.token) + 1 :].startswith(PART):
            self.spent_s = 0.0
        if self.stops:
            self.stopping = line
            self.process.send_signal(signal.SIGSTOP)
        else:
            self._answer(line)

    def _ended(self) -> Optional[int]:
        """How it ended; None while it has not. Sees that it has stopped, and its deadline."""
        how = os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if how is None and self._left_s() == 0.0:
            self._answer("{} {} {}".format(self.token, ENDED, TIMED_OUT))
            sys.exit(1)
        if how is not None:
            return int(self.process.wait())
        if self.stopping and os.waitid(os.P_PID, self.process.pid, os.WSTOPPED | os.WNOHANG):
            line, self.stopping, self.stopped = self.stopping, "", True
            self._answer(line)
            self._pass_on()
        return None

    def _last_words(self, said: int, code: int) -> int:
        """It ended: what it started is ended before anybody is told."""
        os.set_blocking(said, False)
        with contextlib.suppress(BlockingIOError):
            while self._read(said):
                pass
        self.end()
        self._answer("{} {} {}".format(self.token, ENDED, code))
        return code

    def _answer(self, line: str) -> None:
        if not self.token:  # started by hand, to repeat a run
            return
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(self.answers, line.encode() + b"\n")

    def end(self) -> None:
        """Kill it, stopped or not, and whatever carries the run's token. Waits until it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for _ in range(SWEEPS):
            if not self.token or not _kill_carriers(self.token):
                break
            time.sleep(SWEEP_PAUSE_S)


def _kill_carriers(token: str) -> int:
    """Kill every other process whose environment has the token; how many there were."""
    mark, killed = "{}={}".format(TOKEN_VARIABLE, token).encode(), 0
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError), open("/proc/{}/environ".format(entry), "rb") as file:
            if mark in file.read().split(b"\0"):
                os.kill(int(entry), signal.SIGKILL)
                killed += 1
    return killed


def _leave(code: int) -> NoReturn:
    """End as the measuring process did: by its signal, too, so that whoever waits sees it."""
    sys.stderr.flush()
    if code < 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code if code >= 0 else 128 - code)
