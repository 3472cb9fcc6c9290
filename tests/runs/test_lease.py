"""The lock on a device: held by controller and worker, freed by the kernel, read by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import DATA, ROOT
from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tuner.errors import Interrupted, StudyConflictError, UnfitEnvironmentError
from tuner.runs import lease

# Holds the device of its first argument; says what it is told and that it has it; until told to go.
HOLDER = """
import sys
from tuner.runs import lease
def tell(text): print(text, flush=True)
with lease.held(sys.argv[1], "first", tell, lambda: False):
    tell("held")
    sys.stdin.read()
"""
CONTROLLER = """
import sys
from pathlib import Path
from tuner.runs import lease
from tuner.runs.launcher import Launcher
from tuner.worker.protocol import ModelSpec, Role, TrialSpec
spec = TrialSpec("s", 0, Role.SEARCH, "cpu", ModelSpec("torchvision", "none"), deadline_s=20)
with lease.held("NPU 0", "first", None, lambda: False) as lock:
    Launcher(sys.executable, Path(sys.argv[1]), worker=Path(sys.argv[2]), lease=lock).run(spec)
"""


def start(code: str, *args: str) -> subprocess.Popen[str]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code, *args], text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NPU_TUNE_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


def test_a_second_study_fails_and_names_the_holder() -> None:
    with start(HOLDER, "NPU 0") as holder:
        assert line_of(holder) == "held"
        message = rf"NPU 0 is being measured by study first \(process {holder.pid} on .*--no-wait"
        with pytest.raises(StudyConflictError, match=message):
            lease.wait_until_free("NPU 0", None, lambda: False)
        lease.wait_until_free("NPU 1", None, lambda: False)
        holder.communicate("")
    lease.wait_until_free("NPU 0", None, lambda: False)


def test_waiting_ends_when_the_holder_ends() -> None:
    with start(HOLDER, "CPU") as holder:
        assert line_of(holder) == "held"
        with start(HOLDER, "CPU") as waiter:
            assert f"study first (process {holder.pid} on" in line_of(waiter)
            holder.communicate("")
            assert line_of(waiter) == "held"
            waiter.communicate("")


def test_waiting_ends_when_the_user_stops_it() -> None:
    with start(HOLDER, "CPU") as holder:
        assert line_of(holder) == "held"
        told: list[str] = []
        with (
            pytest.raises(Interrupted),
            lease.held("CPU", "second", told.append, lambda: bool(told)),
        ):
            pass
        holder.communicate("")
    assert len(told) == 1


def test_a_lock_outlives_a_killed_controller_only_as_long_as_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STARTED", "END"):
        os.mkfifo(tmp_path / name)
        monkeypatch.setenv(name, str(tmp_path / name))
    worker = DATA / "workers" / "waits.py"
    with start(CONTROLLER, str(tmp_path / "runs"), str(worker)) as controller:
        (tmp_path / "STARTED").read_text()
        controller.kill()
    with pytest.raises(StudyConflictError, match=f"process {controller.pid}"):
        lease.wait_until_free("NPU 0", None, lambda: False)
    (tmp_path / "END").write_text("")
    with lease.held("NPU 0", "second", lambda _: None, lambda: False):
        pass


def test_a_program_that_the_worker_starts_does_not_keep_the_lock() -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); "
        "from tuner.worker import lifeline; lifeline.keep_lease_to_ourselves(); "
        "os.system('ls -l /proc/self/fd')"
    )
    with lease.held("NPU 0", "s", None, lambda: False) as lock:
        done = subprocess.run(
            [sys.executable, "-c", code, str(ROOT)],
            env={**os.environ, "NPU_TUNE_LEASE": str(lock)},
            pass_fds=(lock,),
            capture_output=True,
            text=True,
            check=True,
        )
    assert "/proc" in done.stdout
    assert "npu-0.lock" not in done.stdout


def test_what_is_held_follows_what_is_asked_for_and_the_rest_is_free() -> None:
    with lease.holding("s", None, lambda: False) as hold:
        hold(["NPU 0", None])
        hold(["NPU 4", "CPU"])
        lease.wait_until_free("NPU 0", None, lambda: False)
        for name in ("NPU 4", "CPU"):
            with pytest.raises(StudyConflictError):
                lease.wait_until_free(name, None, lambda: False)
    lease.wait_until_free("NPU 4", None, lambda: False)


def test_what_is_held_already_stays_held_and_two_on_one_device_share_its_lock() -> None:
    with lease.holding("s", None, lambda: False) as hold:
        first = hold(["NPU 0", "NPU 0"])
        assert first[0] == first[1]
        assert hold(["NPU 0"]) == first[:1]
        assert hold([None]) == [None]


def test_other_users_can_lock_and_none_can_remove(folder: Path) -> None:
    before = os.umask(0o077)
    try:
        lease.wait_until_free("NPU 0", None, lambda: False)
    finally:
        os.umask(before)
    assert oct(folder.stat().st_mode) == "0o41777"
    assert oct((folder / "npu-0.lock").stat().st_mode) == "0o100666"


def test_a_link_in_place_of_the_lock_is_refused(folder: Path, tmp_path: Path) -> None:
    folder.mkdir()
    (tmp_path / "precious").write_text("text")
    (folder / "npu-0.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(UnfitEnvironmentError, match=r"npu-0\.lock: it is a symbolic link; remove"):
        lease.wait_until_free("NPU 0", None, lambda: False)
    os.link(tmp_path / "precious", folder / "npu-1.lock")
    with pytest.raises(UnfitEnvironmentError, match="no file with one name"):
        lease.wait_until_free("NPU 1", None, lambda: False)
    assert (tmp_path / "precious").read_text() == "text"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"study": 1}'])
def test_a_holder_that_says_nothing_readable_is_unknown(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.lock").write_text(text)
    assert lease._holder(tmp_path / "x.lock") == dict.fromkeys(lease.HOLDER, "?")


def test_a_study_that_does_not_wait_ends_with_7_and_leaves_no_trace(
    tmp_path: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with lease.held("CPU", "first", None, lambda: False):
        done = npu_tune("--model", "m.py:make", *pretend(), "--no-wait")
    assert done.exit_code == 7
    assert f"CPU is being measured by study first (process {os.getpid()}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "no studies yet" in npu_tune("list").stdout
    assert not (tmp_path / "results" / ".work").exists()


def test_ctrl_c_ends_the_waiting_and_nothing_was_begun(
    tmp_path: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    args = ["--model", "m.py:make", "--trials", "1", "--confirm", "off", *pretend()]
    with lease.held("CPU", "first", None, lambda: False):
        with start("from tuner.cli.main import main; main()", *args) as waiter:
            assert waiter.stdout is not None
            assert next(line for line in waiter.stdout if "waiting. --no-wait" in line)
            waiter.send_signal(signal.SIGINT)
            waiter.communicate("")
        assert waiter.returncode == 130
    assert "no studies yet" in npu_tune("list").stdout
