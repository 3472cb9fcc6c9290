"""Other environments from one controller: a prefix that drops everything, a script to be sourced.

The prefix is a shell script that stands for `docker exec -i` (data/prefix.sh).
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support import DATA
from tests.support.pretend import Pretend
from tuner import tune
from tuner.errors import UnfitEnvironmentError, UsageError
from tuner.options import DEFAULT_STORAGE, Setup
from tuner.runs.launcher import Launcher, may_be_for_memory
from tuner.runs.records import Run
from tuner.runs.store import Store
from tuner.study.probe import make_launcher
from tuner.worker.protocol import TOKEN_VARIABLE, KnobSetting, ModelSpec, Outcome, Role, TrialSpec

PREFIX = str(DATA / "prefix.sh")
KNOB = KnobSetting("a", "x", "environment", "", {"A_KNOB": "with space"})
SPEC = TrialSpec(
    "s", 0, Role.SEARCH, "cpu", ModelSpec("torchvision", "none"), [KNOB], deadline_s=20
)


def launch(
    worker: str,
    folder: Path,
    prefix: tuple[str, ...] = (),
    script: str = "",
    deadline_s: float = 20,
) -> Run:
    launcher = Launcher(
        sys.executable,
        folder,
        {"A_STUDY": "yes"},
        DATA / "workers" / f"{worker}.py",
        prefix=prefix,
        env_script=script,
    )
    return launcher.run(replace(SPEC, deadline_s=deadline_s))


def left_behind(folder: Path) -> list[int]:
    """Processes of runs in this folder."""
    pids = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TOKEN_VARIABLE, "").startswith(f"{folder.resolve()}:"):
                pids.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return pids


def test_knobs_reach_the_worker_behind_a_prefix_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "of the controller")
    run = launch("ok", tmp_path, (PREFIX,))
    assert run.result.fingerprint == {"A_KNOB": "with space", "A_STUDY": "yes"}


def test_without_the_prefix_the_environment_would_have_come_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET", "of the controller")
    assert launch("ok", tmp_path).result.fingerprint["A_SECRET"] == "of the controller"


def test_a_signal_is_told_by_the_exit_code_of_a_prefix(tmp_path: Path) -> None:
    result = launch("killed", tmp_path, (PREFIX,)).result
    assert result.message.startswith("killed by SIGKILL (what the kernel does when memory")
    assert may_be_for_memory(result)


def test_a_worker_that_outlives_its_client_is_ended(tmp_path: Path) -> None:
    run = launch("hangs", tmp_path, (PREFIX,), deadline_s=1)
    assert run.result.outcome is Outcome.TIMEOUT
    assert left_behind(tmp_path) == []


def test_a_prefix_that_reaches_nothing_is_not_the_configurations_doing(tmp_path: Path) -> None:
    prefix = ("sh", "-c", "echo no such container >&2; exit 1")
    result = launch("ok", tmp_path, prefix).result
    assert result.outcome is Outcome.ENVIRONMENT_ERROR
    assert result.message.endswith("does not run the worker: no such container")


def test_a_script_is_sourced_below_the_knobs_and_sees_no_arguments(tmp_path: Path) -> None:
    script = tmp_path / "set env.sh"
    script.write_text(
        'export A_SCRIPT="$# arguments" A_KNOB=scripts\nread line && exit 9\ndeclare -x A_D=d\n'
    )
    run = launch("ok", tmp_path, script=str(script))
    assert run.result.fingerprint == {
        "A_SCRIPT": "0 arguments", "A_KNOB": "with space", "A_STUDY": "yes", "A_D": "d",
    }  # fmt: skip
    assert "A_SCRIPT" not in os.environ


def test_a_script_that_is_not_there_or_gives_up_is_an_environment_error(tmp_path: Path) -> None:
    result = launch("ok", tmp_path, (PREFIX,), script="/not/there.sh").result
    assert result.outcome is Outcome.ENVIRONMENT_ERROR
    assert "/not/there.sh: cannot be read" in result.message
    gives_up = tmp_path / "gives_up.sh"
    gives_up.write_text("echo wrong chip\nexit 3\n")
    result = launch("ok", tmp_path, script=str(gives_up)).result
    assert result.outcome is Outcome.ENVIRONMENT_ERROR
    assert "wrong chip" in result.message


def test_the_worker_comes_along_behind_a_prefix(tmp_path: Path) -> None:
    launcher = make_launcher(Setup("m", launch_prefix="docker exec -i 'my box'"), tmp_path)
    command = launcher.command(SPEC, Path("/run"))
    assert command[:5] == ["docker", "exec", "-i", "my box", "env"]
    worker = str(tmp_path / "worker" / "__main__.py")
    assert command[-5:] == ["python3", "-u", worker, "/run", "--foreground"]
    assert (tmp_path / "worker" / "knobs" / "threads.py").exists()


def test_what_ssh_passes_on_is_split_by_a_shell_over_there_once(tmp_path: Path) -> None:
    script = tmp_path / "set env.sh"
    script.write_text("export A_SCRIPT=here\n")
    ssh = tmp_path / "ssh"  # joins its arguments and hands them to a shell, as ssh does
    ssh.write_text('#!/bin/sh\nshift\nexec sh -c "$*"\n')
    ssh.chmod(0o755)
    run = launch("ok", tmp_path, (str(ssh), "host"), script=str(script))
    assert run.result.fingerprint == {"A_SCRIPT": "here", "A_KNOB": "with space", "A_STUDY": "yes"}


def test_mistakes_are_named() -> None:
    with pytest.raises(UsageError, match=r"\(--launch-prefix\) .*'exec\W+No closing quotation"):
        Setup("m", launch_prefix="docker 'exec").validated()
    with pytest.raises(UnfitEnvironmentError, match=r"--env-script /no/set_env.sh: cannot be read"):
        make_launcher(Setup("m", env_script="/no/set_env.sh"), Path("/tmp"))


def test_a_study_behind_a_prefix_leaves_no_process(
    tmp_path: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    _, python = pretend()
    tune("m.py:make", trials=2, confirm="off", python=python, launch_prefix=PREFIX)
    runs = Store(DEFAULT_STORAGE).runs("m-1")
    assert {run.outcome for run in runs} == {Outcome.OK}
    assert {run.trial for run in runs} == {0, 1}
    assert left_behind(tmp_path / "results" / ".work") == []
