"""What an earlier call left in a study's folder is kept until the study is finished."""

from __future__ import annotations

import fcntl
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from tuner.errors import StudyConflictError, UnfitEnvironmentError
from tuner.runs.folder import work_folder


def fail(root: Path, *made: str) -> None:
    with suppress(UnfitEnvironmentError), work_folder(root, "s") as folder:
        for name in made:
            (folder / name).touch()
        raise UnfitEnvironmentError("why")


def test_a_resume_that_is_refused_keeps_what_an_earlier_call_left(tmp_path: Path) -> None:
    folder = tmp_path / ".work" / "s"
    folder.mkdir(parents=True)
    (folder / "weights.pt").touch()
    fail(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["weights.pt"]


def test_a_study_that_fails_after_its_baseline_keeps_its_folder(tmp_path: Path) -> None:
    fail(tmp_path, "weights.pt", "outputs-1.pt")
    names = sorted(path.name for path in (tmp_path / ".work" / "s").iterdir())
    assert names == ["outputs-1.pt", "weights.pt"]


def test_a_study_that_fails_before_anything_was_measured_leaves_no_folder(tmp_path: Path) -> None:
    fail(tmp_path, "weights.pt")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_made_anew_meanwhile_is_another_process_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock

    def late(file: int, operation: int) -> None:
        shutil.rmtree(tmp_path / ".work" / "s")
        (tmp_path / ".work" / "s").mkdir()
        lock(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(StudyConflictError, match="being begun"), work_folder(tmp_path, "s"):
        pass
