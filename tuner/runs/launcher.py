"""One TrialSpec -> one child process -> TrialResult; timeout, process group, log tail."""

from __future__ import annotations

import contextlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

import psutil

from ..worker import exchange, protocol
from ..worker.protocol import OUT_OF_MEMORY, Outcome, TrialResult, TrialSpec
from .log import last_line, log_tail
from .records import Run

WORKER = Path(__file__).parent.parent / "worker" / "__main__.py"
TOKEN_VARIABLE = "NPU_TUNE_RUN"  # marks a run's descendants, wherever they moved themselves
TERMINATE_GRACE_S = 2.0
KILL_WAIT_S = 10.0
EXIT_CANNOT_EXECUTE = (126, 127)  # env(1): the command could not be run, or was not found
# The one shell: $0 is the script, "$@" the rest, which the script does not see.
SOURCE_FIRST = (
    '[ -r "$0" ] || { echo "$0: cannot be read" >&2; exit 126; }; '
    'npu_tune_command=("$@"); set --; . "$0" </dev/null; exec "${npu_tune_command[@]}"'
)

PREFIX_HINT = "; a prefix must pass standard input on, as `docker exec -i` does"


@dataclass(frozen=True)
class Launcher:
    """How workers are started on this host.

    folder: run folders are made in it. variables: set for every run, below the knobs' own.
    worker: the script that is run. lease: the file that locks the device, which workers inherit.
    prefix: what reaches another place that shares the folder, such as `docker exec -i NAME`.
    env_script: sourced there by bash, before the variables are set and for the worker alone.
    without: variables of this process that the workers do not inherit.
    """

    python: str
    folder: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    worker: Path = WORKER
    lease: int | None = None
    prefix: tuple[str, ...] = ()
    env_script: str = ""
    without: tuple[str, ...] = ()

    def run(self, spec: TrialSpec) -> Run:
        """Start a worker, sleep until it ends or its deadline passes, leave nothing behind."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        try:
            started_at, started_ns = datetime.now(timezone.utc), time.monotonic_ns()
            with (folder / protocol.LOG_FILE).open("wb") as log:
                result = self._result(replace(spec, launched_ns=started_ns), folder, log)
            wall_ns = time.monotonic_ns() - started_ns
            tail = log_tail(folder / protocol.LOG_FILE)
            return Run(spec, result, tail, started_at, wall_ns)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def command(self, spec: TrialSpec, folder: Path, token: str = "") -> list[str]:
        """The argument vector.

        `env` sets the variables: behind the prefix, which forwards none, and after the script.
        """
        variables = dict(self.variables)
        for knob in spec.knobs:
            variables.update(knob.variables)
        if token:
            variables[TOKEN_VARIABLE] = token
            if self.lease is not None and not self.prefix:  # no prefix passes an open file on
                variables[protocol.LEASE_VARIABLE] = str(self.lease)
        assignments = [f"{name}={value}" for name, value in variables.items()]
        sourcing = ["bash", "-c", SOURCE_FIRST, self.env_script] if self.env_script else []
        dropped = [word for name in self.without for word in ("-u", name)]
        worker = ["env", *dropped, *assignments, self.python, "-u", str(self.worker), str(folder)]
        if self.prefix and Path(self.prefix[0]).name == "ssh":  # a shell over there splits it again
            return [*self.prefix, shlex.join([*sourcing, *worker])]
        return [*self.prefix, *sourcing, *worker]

    def foreground(self, spec: TrialSpec) -> TrialResult:
        """Run a worker with its output on the terminal, in this launcher's own folder."""
        return self._result(spec, self.folder, None)

    def _result(self, spec: TrialSpec, folder: Path, log: BinaryIO | None) -> TrialResult:
        token = f"{self.folder.resolve()}:{folder.name}"
        exchange.write(spec, str(folder / protocol.SPEC_FILE))
        try:
            process = subprocess.Popen(
                self.command(spec, folder, token),
                stdin=subprocess.PIPE,
                start_new_session=True,
                pass_fds=() if self.lease is None else (self.lease,),
                stdout=log,
                stderr=None if log is None else subprocess.STDOUT,
            )
        except OSError as error:
            return _environment_error(f"cannot start a worker: {error}")
        try:
            in_time = wait(process, spec.deadline_s)
        finally:
            _end(process, token)
        return self._classify(spec, folder, process.returncode, in_time)

    def _classify(self, spec: TrialSpec, folder: Path, code: int, in_time: bool) -> TrialResult:
        """The result file where there is one, else what the exit and the log say."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return exchange.read(TrialResult, str(folder / protocol.RESULT_FILE))
        log = log_tail(folder / protocol.LOG_FILE)
        if not in_time:
            return TrialResult(Outcome.TIMEOUT, f"no result after {spec.deadline_s:.0f} s")
        if code in EXIT_CANNOT_EXECUTE:
            return _environment_error(f"cannot run {self.python}: {last_line(log)}")
        if not self._has_started(folder, code):
            way = shlex.join([*self.prefix, self.python])
            return _environment_error(f"{way} does not run the worker: {last_line(log)}")
        if OUT_OF_MEMORY.search(log):
            return TrialResult(Outcome.OUT_OF_MEMORY, f"{_how_ended(code)}: {last_line(log)}")
        return TrialResult(Outcome.CRASHED, _how_ended(code) + (PREFIX_HINT if self.prefix else ""))

    def _has_started(self, folder: Path, code: int) -> bool:
        """Did the worker run? Before it a signal is of what a knob preloads, if of no prefix."""
        return (folder / protocol.STARTED_FILE).exists() or (code < 0 and not self.prefix)


def wait(process: subprocess.Popen[bytes], timeout_s: float) -> bool:
    """Sleep until the process ends; False when the timeout passed first. Does not poll.

    Except on a kernel before 5.3, which cannot watch a process: pidfd_open(2).
    """
    try:
        handle = os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout_s)
        return process.poll() is not None
    try:
        ready = select.poll()
        ready.register(handle, select.POLLIN)
        return bool(ready.poll(timeout_s * 1000))
    finally:
        os.close(handle)


def _end(process: subprocess.Popen[bytes], token: str) -> None:
    """End what is left: the process group, then whatever left the group but kept the token."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGTERM)
        wait(process, TERMINATE_GRACE_S)
    _signal_group(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin:
        process.stdin.close()
    kill_descendants(token)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def kill_descendants(token: str) -> int:
    """Kill every process whose environment carries a token that starts with this; how many.

    Returns when they are gone, because a dying process may still hold a device.
    """
    killed = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid == os.getpid():
                continue
            if process.environ().get(TOKEN_VARIABLE, "").startswith(token):
                process.kill()
                killed.append(process)
    psutil.wait_procs(killed, timeout=KILL_WAIT_S)
    return len(killed)


def _environment_error(message: str) -> TrialResult:
    return TrialResult(Outcome.ENVIRONMENT_ERROR, message)


def _how_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code} and no result"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = " (what the kernel does when memory runs out)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"
