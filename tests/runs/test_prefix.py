"""Other environments from one controller: a prefix that drops everything, a script to be sourced.

The prefix is a shell script that stands for `docker exec -i` (data/prefix.sh).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support import DATA
from tuner import tune
from tuner.errors import UnfitEnvironmentError, UsageError
from tuner.options import DEFAULT_STORAGE, Setup
from tuner.runs.launcher import TOKEN_VARIABLE, Launcher
from tuner.runs.records import Run
from tuner.runs.store import Store
from tuner.study.probe import make_launcher
from tuner.worker.protocol import KnobSetting, ModelSpec, Outcome, Role, TrialSpec

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
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(TOKEN_VARIABLE, "").startswith(f"{folder.resolve()}:"):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue
    return found


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


def test_a_worker_that_outlives_its_client_is_ended(tmp_path: Path) -> None:
    run = launch("hangs", tmp_path, (PREFIX,), deadline_s=1)
    assert run.result.outcome is Outcome.TIMEOUT
    assert left_behind(tmp_path) == []


def test_a_worker_behind_a_prefix_ends_when_its_controller_is_killed(
    torch_python: str, tmp_path: Path
) -> None:
    """By the end of standard input: its parent is not the controller, and lives on."""
    options = ["--model", f"{DATA}/models/tiny.py:sleeps", "--backend", "cpu", "--trials", "2"]
    options += ["--python", torch_python, "--launch-prefix", PREFIX]
    command = [sys.executable, "-c", "from tuner.cli.main import main; main()", *options]
    controller = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    work = tmp_path / "results" / ".work"
    while not list(work.glob("*/run-*/started")):
        assert controller.poll() is None
        time.sleep(0.1)
    (worker,) = [p for p in psutil.process_iter() if str(work) in " ".join(cmdline(p))
                 and "__main__.py" in " ".join(cmdline(p)) and "python" in p.name()]  # fmt: skip
    controller.kill()
    controller.wait()
    assert psutil.wait_procs([worker], timeout=60)[1] == []


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


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
    assert command[-4:] == ["python3", "-u", str(tmp_path / "worker" / "__main__.py"), "/run"]
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
    with pytest.raises(UsageError, match=r"\(--launch-prefix\) docker 'exec: No closing quotation"):
        Setup("m", launch_prefix="docker 'exec").validated()
    with pytest.raises(UnfitEnvironmentError, match=r"--env-script /no/set_env.sh: cannot be read"):
        make_launcher(Setup("m", env_script="/no/set_env.sh"), Path("/tmp"))


def test_a_study_behind_a_prefix_applies_its_knobs_and_leaves_no_process(
    torch_python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tune(
        f"{DATA}/models/tiny.py:convnet",
        trials=2,
        backend="cpu",
        pins={"allocator": "glibc-keep", "openmp_wait": "passive", "threads": "2"},
        confirm="off",
        python=torch_python,
        launch_prefix=PREFIX,
    )
    searched = [r for r in Store(DEFAULT_STORAGE).runs("tiny-1") if r.trial == 1][-1]
    back = searched.run.result.read_back
    assert (back["openmp_wait"].value, back["openmp_wait"].certain) == ("passive", True)
    assert (back["threads"].value, back["threads"].certain) == (2, True)
    seen = searched.run.result.fingerprint["variables"]
    assert seen["MALLOC_TOP_PAD_"] == "67108864"
    assert left_behind(tmp_path / "results" / ".work") == []
