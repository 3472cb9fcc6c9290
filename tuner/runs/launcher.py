"""One TrialSpec -> one worker process -> TrialResult: how it is started, what its end means."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path

from ..worker import exchange, protocol
from ..worker.applied.lists import PRELOAD
from ..worker.protocol import (
    LEASE_VARIABLE,
    OUT_OF_MEMORY,
    TOKEN_VARIABLE,
    Outcome,
    Role,
    TrialResult,
    TrialSpec,
)
from . import deadline
from .log import last_line, log_tail
from .process import Process, end, wait_for_answers
from .records import Run

WORKER = Path(__file__).parent.parent / "worker" / "__main__.py"
EXIT_CANNOT_EXECUTE = (126, 127)  # env(1): the command could not be run, or was not found
SIGNALLED = 128  # what a shell or docker adds to the number of the signal that ended its command
HASH_SEED = "PYTHONHASHSEED"
COMPILE_CACHE = "TORCHINDUCTOR_CACHE_DIR"
KILLED = "killed by SIGKILL"
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
        started_at, started_ns = datetime.now(timezone.utc), time.monotonic_ns()
        with self.run_folder() as folder:
            try:
                process = self.start(spec, folder)
            except OSError as error:
                result = cannot_start(error)
            else:
                result = self._result(spec, folder, process)
            wall_ns = time.monotonic_ns() - started_ns
            tail = log_tail(folder / protocol.LOG_FILE)
        return Run(spec, result, tail, started_at, wall_ns)

    @contextlib.contextmanager
    def run_folder(self) -> Iterator[Path]:
        """A folder for one run, removed with all that is in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="run-", dir=self.folder))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def start(self, spec: TrialSpec, folder: Path, foreground: bool = False) -> Process:
        """Start a worker in its folder; whoever does so ends it. Raises OSError."""
        token = f"{self.folder.resolve()}:{folder.name}"
        spec = replace(spec, launched_ns=time.monotonic_ns())
        exchange.write(spec, str(folder / protocol.SPEC_FILE))
        log = None if foreground else (folder / protocol.LOG_FILE).open("ab")
        try:
            popen = subprocess.Popen(
                self.command(spec, folder, token, foreground),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                pass_fds=() if self.lease is None else (self.lease,),
            )
        except OSError:
            if log is not None:
                log.close()
            raise
        assert popen.stdout is not None
        os.set_blocking(popen.stdout.fileno(), False)
        return Process(popen, token, log)

    def command(
        self, spec: TrialSpec, folder: Path, token: str = "", foreground: bool = True
    ) -> list[str]:
        """The argument vector. foreground: what the run says goes to the terminal.

        `env` sets the variables: behind the prefix, which forwards none, and after the script.
        """
        # Two processes with other hash seeds walk their sets in other orders.
        variables = {HASH_SEED: os.environ.get(HASH_SEED, "0"), **self.variables}
        if spec.role == Role.HOLD_OUT and COMPILE_CACHE in variables:
            # A win is measured on code that was compiled for it, not on what others have left.
            variables[COMPILE_CACHE] += f"-hold-out-{spec.after_trials}"
        for knob in spec.knobs:
            variables.update(knob.variables)
        if token:
            variables[TOKEN_VARIABLE] = token
            if self.lease is not None and not self.prefix:  # no prefix passes an open file on
                variables[LEASE_VARIABLE] = str(self.lease)
        assignments = [f"{name}={value}" for name, value in variables.items()]
        sourcing = ["bash", "-c", SOURCE_FIRST, self.env_script] if self.env_script else []
        dropped = [word for name in self.without for word in ("-u", name)]
        worker = ["env", *dropped, *assignments, self.python, "-u", str(self.worker), str(folder)]
        worker += ["--foreground"] if foreground else []
        if self.prefix and Path(self.prefix[0]).name == "ssh":  # a shell over there splits it again
            return [*self.prefix, shlex.join([*sourcing, *worker])]
        return [*self.prefix, *sourcing, *worker]

    def foreground(self, spec: TrialSpec) -> TrialResult:
        """Run a worker with its output on the terminal, in this launcher's own folder."""
        try:
            process = self.start(spec, self.folder, foreground=True)
        except OSError as error:
            return cannot_start(error)
        return self._result(spec, self.folder, process)

    def _result(self, spec: TrialSpec, folder: Path, process: Process) -> TrialResult:
        """Of a worker that is alone: when it has ended."""
        try:
            wait_for_answers([process], spec.deadline_s)
        finally:
            end([process])
        return self.result(spec, folder, process)

    def result(self, spec: TrialSpec, folder: Path, process: Process) -> TrialResult:
        """Of a worker that has ended: its file where there is one, else what exit and log say."""
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            return exchange.read(TrialResult, str(folder / protocol.RESULT_FILE))
        code = process.code
        log = log_tail(folder / protocol.LOG_FILE)
        if code is None:
            late = deadline.missed(spec, folder, [*self.prefix, self.python], self.env_script)
            return TrialResult(Outcome.TIMEOUT, late)
        if self.prefix and SIGNALLED < code <= SIGNALLED + signal.SIGSYS:
            code = SIGNALLED - code
        started, way = self._has_started(folder, code), shlex.join([*self.prefix, self.python])
        preloads = [knob for knob in spec.knobs if PRELOAD in knob.variables]
        if preloads and not started:
            what = (
                f"{preloads[0].name}={preloads[0].value} preloads {preloads[0].variables[PRELOAD]}"
            )
            message = f"{what}, with which {way} does not start: {last_line(log)}"
            return TrialResult(Outcome.UNSUPPORTED, message)
        if code in EXIT_CANNOT_EXECUTE:
            return environment_error(f"cannot run {self.python}: {last_line(log)}")
        if not started:
            return environment_error(f"{way} does not run the worker: {last_line(log)}")
        if OUT_OF_MEMORY.search(log):
            return TrialResult(Outcome.OUT_OF_MEMORY, f"{_how_ended(code)}: {last_line(log)}")
        return TrialResult(Outcome.CRASHED, _how_ended(code) + (PREFIX_HINT if self.prefix else ""))

    def _has_started(self, folder: Path, code: int) -> bool:
        """Did the worker run? Before it a signal is of what a knob preloads, if of no prefix."""
        return (folder / protocol.STARTED_FILE).exists() or (code < 0 and not self.prefix)


def cannot_start(error: OSError) -> TrialResult:
    """The result of a run whose process could not be made."""
    return environment_error(f"cannot start a worker: {error}")


def environment_error(message: str) -> TrialResult:
    """A result that is no doing of the configuration."""
    return TrialResult(Outcome.ENVIRONMENT_ERROR, message)


def _how_ended(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code} and no result"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = " (what the kernel does when memory runs out)" if name == "SIGKILL" else ""
    return f"killed by {name}{hint}"


def may_be_for_memory(result: TrialResult) -> bool:
    """Did the run end for want of memory, as far as can be told?"""
    return result.outcome == Outcome.OUT_OF_MEMORY or result.message.startswith(KILLED)
