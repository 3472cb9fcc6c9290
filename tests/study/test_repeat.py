"""A run once more: how `rerun` ends, whatever became of the run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.support.runs import recorded, study_record
from tuner.cli.main import main
from tuner.runs.launcher import Launcher
from tuner.runs.records import StudyRecord
from tuner.runs.store import Store
from tuner.study import repeat

STARTED = "import json, os, sys; open(sys.argv[1] + '/started', 'w').close(); "
RESULT = (
    "json.dump({{'format_version': 3, 'outcome': '{}'}}, open(sys.argv[1] + '/result.json', 'w'))"
)


@pytest.fixture
def storage(tmp_path: Path) -> str:
    """A study with a baseline and one more trial."""
    store = Store(f"sqlite:///{tmp_path}/s.db")
    store.create_study(study_record())
    store.record("s", recorded(0, 10))
    store.record("s", recorded(1, 5, mode="fast"))
    store.close()
    return store.url


def rerun(storage: str, trial: int, worker: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    """`npu-tune rerun` with these lines of Python as the worker."""

    def ready(places: list[tuple[StudyRecord, Path]], *_: object) -> list[Launcher]:
        folder = places[0][1]
        (folder / "worker.py").write_text(worker)
        return [Launcher(sys.executable, folder, worker=folder / "worker.py")]

    monkeypatch.setattr(repeat, "ready", ready)
    command = ["rerun", "s", "--trial", str(trial), "--storage", storage]
    return CliRunner().invoke(main, command)


@pytest.mark.parametrize(
    ("worker", "code", "said"),
    [
        (STARTED + RESULT.format("ok"), 0, "outcome: ok"),
        (STARTED + RESULT.format("crashed"), 1, "outcome: crashed"),
        (STARTED + RESULT.format("out_of_memory"), 1, "outcome: out_of_memory"),
        (STARTED + RESULT.format("unsupported"), 1, "outcome: unsupported"),
        (STARTED + RESULT.format("wrong_output"), 1, "outcome: wrong_output"),
        (STARTED + RESULT.format("timeout"), 1, "outcome: timeout"),
        (STARTED + RESULT.format("environment_error"), 4, "outcome: environment_error"),
        (STARTED + "os._exit(3)", 1, "outcome: crashed ended with exit code 3 and no result"),
        (STARTED + "os.kill(os.getpid(), 11)", 1, "outcome: crashed killed by SIGSEGV"),
        ("not Python", 4, "does not run the worker"),
    ],
)
def test_rerun_ends_as_the_run_did(
    worker: str, code: int, said: str, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = rerun(storage, 0, worker, monkeypatch)
    assert (done.exit_code, said in done.stdout) == (code, True), done.output


def test_a_baseline_that_makes_no_reference_is_what_the_user_reads(
    storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = rerun(storage, 1, STARTED + "sys.exit('no such layer')", monkeypatch)
    assert done.exit_code == 6
    assert "the baseline run ended as crashed: ended with exit code 1 and no res" in done.stderr
    assert "no such layer" in done.stderr
    assert "npu-tune rerun s --trial 0" in done.stderr
