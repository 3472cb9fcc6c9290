"""A finished study for the tests that read one: made once, without torch; each test has a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.command import process
from tests.support.once import once
from tests.support.pretend import interpreter

STUDY = ["--model", "m.py:make", "--study", "s", "--quiet"]
SEARCH = [*STUDY, "--trials", "3", "--confirm", "6", "--set", "memory_format=channels_last"]
TWICE = {"memory_format=channels_last": 0.5}


def make(folder: Path) -> None:
    """Run the study in a folder, and keep what it printed there."""
    done = process(folder, *SEARCH, "--json", *interpreter(folder, factors=TWICE))
    assert done.returncode == 0, done.stderr
    (folder / "stdout.json").write_text(done.stdout)


@pytest.fixture(scope="session")
def study_original(shared: Path) -> Path:
    """The folder of a study `s` that a planted knob won twofold; not to be written to."""
    return once(shared / "study", make)


def copied(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of a folder, in which the user stands."""
    passing = shutil.ignore_patterns("*.db-wal", "*.db-shm")  # of whoever reads the original now
    copy = shutil.copytree(folder, tmp_path / "copy", ignore=passing)
    monkeypatch.chdir(copy)
    return copy


@pytest.fixture
def study(study_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that study."""
    return copied(study_original, tmp_path, monkeypatch)
