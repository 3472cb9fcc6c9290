"""The launcher with real children: tiny workers, one test per way to end."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support import DATA
from tuner.errors import Interrupted, StudyConflictError
from tuner.runs import process
from tuner.runs.folder import work_folder
from tuner.runs.launcher import Launcher
from tuner.runs.log import without_traces
from tuner.runs.process import kill_carriers
from tuner.runs.records import Run
from tuner.worker.protocol import TOKEN_VARIABLE, KnobSetting, ModelSpec, Outcome, Role, TrialSpec

SPEC = TrialSpec("s", 0, Role.SEARCH, "cpu", ModelSpec("torchvision", "none"), deadline_s=20)

PARENT = """
import subprocess, sys
subprocess.Popen(["sleep", "60"], env={sys.argv[1]: sys.argv[2]})
print(flush=True)
sys.stdin.read()
"""


def launch(worker: str, folder: Path, spec: TrialSpec = SPEC, python: str = sys.executable) -> Run:
    launcher = Launcher(python, folder, {"A_STUDY": "yes"}, DATA / "workers" / f"{worker}.py")
    return launcher.run(spec)


def test_a_result_file_is_the_result_whatever_was_printed(tmp_path: Path) -> None:
    run = launch("ok", tmp_path)
    assert run.result.outcome is Outcome.OK
    assert run.log_tail.splitlines()[-1].startswith("noise")


def test_variables_of_knobs_and_of_the_study_reach_the_child(tmp_path: Path) -> None:
    knob = KnobSetting("a", "x", "environment", "", {"A_KNOB": "with space"})
    run = launch("ok", tmp_path, replace(SPEC, knobs=[knob]))
    assert run.result.fingerprint == {"A_KNOB": "with space", "A_STUDY": "yes"}


def test_a_claim_is_measured_on_code_that_was_compiled_for_it(tmp_path: Path) -> None:
    launcher = Launcher(sys.executable, tmp_path, {"TORCHINDUCTOR_CACHE_DIR": "/cache"})

    def cache(role: Role, after_trials: int = 0) -> list[str]:
        words = launcher.command(replace(SPEC, role=role, after_trials=after_trials), tmp_path)
        return [word for word in words if word.startswith("TORCHINDUCTOR_CACHE_DIR")]

    assert cache(Role.CONFIRM, 40) == cache(Role.SEARCH) == ["TORCHINDUCTOR_CACHE_DIR=/cache"]
    assert cache(Role.HOLD_OUT, 40) == ["TORCHINDUCTOR_CACHE_DIR=/cache-hold-out-40"]


def test_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    launch("ok", tmp_path)
    launch("exits", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("worker", "outcome", "message"),
    [
        ("exits", Outcome.CRASHED, "ended with exit code 3 and no result"),
        ("aborts", Outcome.CRASHED, "killed by SIGABRT"),
        (
            "killed",
            Outcome.CRASHED,
            "killed by SIGKILL (what the kernel does when memory runs out)",
        ),
        ("no_result", Outcome.CRASHED, "ended with exit code 0 and no result"),
        ("half_json", Outcome.CRASHED, "ended with exit code 0 and no result"),
        (
            "out_of_memory",
            Outcome.OUT_OF_MEMORY,
            "killed by SIGABRT: terminate called after throwing an instance of 'std::bad_alloc'",
        ),
    ],
)
def test_a_death_without_result_is_named(
    worker: str, outcome: Outcome, message: str, tmp_path: Path
) -> None:
    result = launch(worker, tmp_path).result
    assert (result.outcome, result.message) == (outcome, message)


def test_the_log_tail_holds_the_last_words(tmp_path: Path) -> None:
    assert launch("exits", tmp_path).log_tail == "last words"


def test_a_hanging_worker_times_out_and_its_detached_grandchild_is_gone(tmp_path: Path) -> None:
    run = launch("hangs", tmp_path, replace(SPEC, deadline_s=5.0))
    assert run.log_tail.startswith("grandchild")
    assert run.result.outcome is Outcome.TIMEOUT
    assert run.result.message == (
        f"no result after 5 s: {sys.executable} has not begun to run the worker: no --timeout "
        f"helps where that hangs; try: {sys.executable} -c pass"
    )
    assert kill_carriers([f"{tmp_path.resolve()}:"]) == 0


@pytest.mark.parametrize("python", ["/nonexistent/python", "/etc/hostname"])
def test_an_interpreter_that_cannot_start_is_an_environment_error(
    python: str, tmp_path: Path
) -> None:
    result = launch("ok", tmp_path, python=python).result
    assert result.outcome is Outcome.ENVIRONMENT_ERROR
    assert python in result.message


def interpreter(folder: Path, line: str) -> str:
    """A program that does this instead of running the worker."""
    path = folder / "python"
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return str(path)


def test_an_interpreter_that_never_runs_the_worker_is_an_environment_error(tmp_path: Path) -> None:
    python = interpreter(tmp_path, "echo the venv is broken >&2; exit 3")
    result = launch("ok", tmp_path / "runs", python=python).result
    message = f"{python} does not run the worker: the venv is broken"
    assert (result.outcome, result.message) == (Outcome.ENVIRONMENT_ERROR, message)


def test_an_interpreter_that_a_preloaded_library_kills_is_the_configurations_doing(
    tmp_path: Path,
) -> None:
    python = interpreter(tmp_path, "kill -SEGV $$")
    result = launch("ok", tmp_path / "runs", python=python).result
    assert (result.outcome, result.message) == (Outcome.CRASHED, "killed by SIGSEGV")


def test_a_preloaded_library_that_stops_the_interpreter_is_the_knobs_doing(tmp_path: Path) -> None:
    words = "symbol lookup error: /o/libj.so: undefined symbol: x"
    python = interpreter(tmp_path, f"echo 'python: {words}' >&2; exit 127")
    knob = KnobSetting("allocator", "j", "environment", "", {"LD_PRELOAD": "/o/libj.so"})
    result = launch("ok", tmp_path / "runs", replace(SPEC, knobs=[knob]), python).result
    assert (result.outcome, result.message) == (
        Outcome.UNSUPPORTED,
        f"allocator=j preloads /o/libj.so, with which {python} does not start: python: {words}",
    )


def test_an_old_kernel_that_cannot_watch_a_process_is_no_obstacle(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: int, __: int = 0) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(os, "pidfd_open", refuse)
    assert launch("ok", tmp_path).result.outcome is Outcome.OK
    result = launch("sleeps", tmp_path, replace(SPEC, deadline_s=1)).result
    assert result.outcome is Outcome.TIMEOUT


def test_a_variable_may_be_kept_from_the_workers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KNOB", "deployed")
    assert launch("ok", tmp_path).result.fingerprint["A_KNOB"] == "deployed"
    launcher = Launcher(sys.executable, tmp_path, {}, DATA / "workers" / "ok.py")
    launcher = replace(launcher, without=("A_KNOB",))
    assert launcher.run(SPEC).result.fingerprint == {}
    knob = KnobSetting("a", "x", "environment", "", {"A_KNOB": "set"})
    assert launcher.run(replace(SPEC, knobs=[knob])).result.fingerprint["A_KNOB"] == "set"


def test_only_processes_with_the_token_are_killed(tmp_path: Path) -> None:
    assert kill_carriers([f"{tmp_path}:nothing"]) == 0


def test_a_killed_process_is_gone_although_its_parent_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "KILL_WAIT_S", 30.0)
    token = f"{tmp_path}:run-x"
    parent = subprocess.Popen(  # as the first process of a container without an init
        [sys.executable, "-c", PARENT, TOKEN_VARIABLE, token],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    parent.stdout.readline()
    killing = threading.Thread(target=kill_carriers, args=([token],))
    killing.start()
    killing.join(15.0)
    waits = killing.is_alive()
    parent.communicate()
    assert not waits


def test_an_interrupted_study_keeps_its_folder_and_a_finished_one_does_not(tmp_path: Path) -> None:
    def interrupted() -> None:
        with work_folder(tmp_path, "s") as folder:
            (folder / "run-left").mkdir()
            (folder / "weights.pt").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (tmp_path / ".work" / "s").exists()
    with work_folder(tmp_path, "s") as folder:
        assert not (folder / "run-left").exists()
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_was_stopped_before_its_first_run_leaves_no_folder(tmp_path: Path) -> None:
    def stopped() -> None:
        with work_folder(tmp_path, "s") as folder:
            (folder / "worker").mkdir()
            raise Interrupted("")

    with pytest.raises(Interrupted):
        stopped()
    assert not (tmp_path / ".work").exists()


def test_a_log_is_shown_without_stacks() -> None:
    log = 'hello\nTraceback (most recent call last):\n  File "x.py", line 1\nValueError: bad'
    assert without_traces(log) == "hello\nValueError: bad"


def test_beginning_a_study_leaves_another_with_a_longer_name_alone(tmp_path: Path) -> None:
    token = f"{tmp_path.resolve()}/.work/s-10:run-x"
    other = subprocess.Popen(["sleep", "60"], env={**os.environ, TOKEN_VARIABLE: token})
    try:
        with work_folder(tmp_path, "s-1"):
            assert other.poll() is None
        with work_folder(tmp_path, "s-10"):
            assert not psutil.pid_exists(other.pid)
    finally:
        other.kill()


def test_two_processes_cannot_begin_the_same_study(tmp_path: Path) -> None:
    with work_folder(tmp_path, "s"):
        with pytest.raises(StudyConflictError, match="being begun"), work_folder(tmp_path, "s"):
            pass
        assert (tmp_path / ".work" / "s").is_dir()
