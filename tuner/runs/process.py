"""A worker as the controller sees it: told a line, answering with one, ended with its children."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import psutil

from ..worker.protocol import ENDED, TIMED_OUT, TOKEN_VARIABLE

GRACE_S = 3.0  # beyond a run's deadline, which its supervisor keeps
END_WAIT_S = 3.0  # for supervisors to end what they started
KILL_WAIT_S = 10.0
KILL_LOOK_S = 0.05
OLD_KERNEL_POLL_S = 0.1  # before 5.3 a process cannot be watched: pidfd_open(2)
PIPE_BYTES = 65_536


@dataclass
class Process:
    """A started worker. answers: that nobody has taken yet, each as words.

    code: what its supervisor says of its end, or how it ended itself; None while it lives.
    """

    popen: subprocess.Popen[bytes]
    token: str
    log: BinaryIO | None
    started_ns: int = field(default_factory=time.monotonic_ns)
    answers: deque[list[str]] = field(default_factory=deque)
    code: int | None = None
    timed_out: bool = False
    handle: int | None = None
    silent: bool = False  # its output is closed
    _rest: bytes = b""

    def __post_init__(self) -> None:
        with contextlib.suppress(AttributeError, OSError):
            self.handle = os.pidfd_open(self.popen.pid)

    @property
    def ended(self) -> bool:
        """Is it gone?"""
        return self.code is not None or self.timed_out

    def send(self, word: str, number: int = 0) -> None:
        """Tell it something; it may have ended meanwhile."""
        assert self.popen.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):
            self.popen.stdin.write(f"{word} {number}\n".encode())
            self.popen.stdin.flush()

    def take_in(self) -> None:
        """Read what it has said, and whether it has ended."""
        assert self.popen.stdout is not None
        gone = self.popen.poll() is not None
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.popen.stdout.fileno(), PIPE_BYTES):
                *lines, self._rest = (self._rest + data).split(b"\n")
                for line in lines:
                    self._said(line)
            self.silent = True
        if gone and not self.ended:
            self.code = self.popen.returncode

    def _said(self, line: bytes) -> None:
        words = line.decode(errors="replace")
        if not words.startswith(self.token + " "):
            if self.log is not None:
                self.log.write(line + b"\n")
                self.log.flush()
            return
        answer = words[len(self.token) + 1 :].split()
        if answer[:1] != [ENDED]:
            self.answers.append(answer)
        elif answer[1] == TIMED_OUT:
            self.timed_out = True
        else:
            self.code = int(answer[1])


def listen(processes: Collection[Process], timeout_s: float) -> bool:
    """Sleep until one of them says something or ends; False when the time passed first.

    What was said before is taken in first: a controller that slept longer than it meant to, as by
    Ctrl-Z, sees it before it looks at the clock.
    """
    ready = select.poll()
    for process in processes:
        assert process.popen.stdout is not None
        if not process.silent:
            ready.register(process.popen.stdout, select.POLLIN)
        if process.handle is not None:
            ready.register(process.handle, select.POLLIN)
        else:
            timeout_s = min(timeout_s, OLD_KERNEL_POLL_S)
    events = ready.poll(max(0.0, timeout_s) * 1000)
    for process in processes:
        process.take_in()
    return bool(events)


def wait_for_answers(processes: Sequence[Process], deadline_s: float) -> None:
    """Return when each has an answer or has ended. Those that do neither in time have timed out."""
    until = time.monotonic() + deadline_s + GRACE_S
    while waited := [p for p in processes if not p.ended and not p.answers]:
        left_s = until - time.monotonic()
        if not listen(waited, left_s) and left_s <= 0:
            for process in waited:
                process.timed_out = True


def wait_for_one(processes: Sequence[Process], deadline_s: float) -> None:
    """Return when one of them has an answer or has ended; by its deadline the oldest has."""
    while not any(p.ended or p.answers for p in processes):
        oldest = min(processes, key=lambda process: process.started_ns)
        left_s = deadline_s + GRACE_S - (time.monotonic_ns() - oldest.started_ns) / 1e9
        if not listen(processes, left_s) and left_s <= 0:
            oldest.timed_out = True


def end(processes: Sequence[Process]) -> None:
    """End them all at once, with whatever they started, stopped or not."""
    for process in processes:
        with contextlib.suppress(OSError):
            if process.popen.stdin:
                process.popen.stdin.close()  # a supervisor ends all of its own then
    until = time.monotonic() + END_WAIT_S
    while alive := [p for p in processes if p.popen.poll() is None]:
        if time.monotonic() >= until:
            break
        _sleep_until_gone(alive, until - time.monotonic())
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.popen.pid, signal.SIGKILL)
        process.popen.wait()
        _release(process)
    kill_carriers([process.token for process in processes])


def _sleep_until_gone(processes: Sequence[Process], timeout_s: float) -> None:
    """Until one of them is gone; what they still say does not wake it."""
    ready = select.poll()
    for process in processes:
        if process.handle is None:
            timeout_s = min(timeout_s, OLD_KERNEL_POLL_S)
        else:
            ready.register(process.handle, select.POLLIN)
    ready.poll(max(0.0, timeout_s) * 1000)


def _release(process: Process) -> None:
    process.take_in()
    if process.log is not None:
        process.log.write(process._rest)
    if process.popen.stdout:
        process.popen.stdout.close()
    if process.handle is not None:
        os.close(process.handle)
        process.handle = None
    if process.log is not None:
        process.log.close()


def kill_carriers(tokens: Sequence[str]) -> int:
    """Kill every process whose environment carries a token that starts with one of these.

    Returns how many, when they are gone, because a dying process may still hold a device.
    """
    killed: list[psutil.Process] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid():
                continue
            if process.environ().get(TOKEN_VARIABLE, "").startswith(tuple(tokens)):
                process.kill()
                killed.append(process)
    left, until = killed, time.monotonic() + KILL_WAIT_S
    while left and time.monotonic() < until:
        _, left = psutil.wait_procs(left, timeout=KILL_LOOK_S)
        left = [process for process in left if not _is_dead(process)]
    return len(killed)


def _is_dead(process: psutil.Process) -> bool:
    """Has all of it ended? In a container without an init nobody may ever wait for it."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE and process.num_threads() <= 1)
    except psutil.Error:
        return True
