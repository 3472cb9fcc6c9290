"""Databases that may only be read, that have no WAL, or that another program keeps locked."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import DATA
from tests.support.command import npu_tune
from tests.support.runs import recorded, study_record
from tuner.errors import StorageLockedError
from tuner.runs import database
from tuner.runs.store import Store

NOWHERE = "/nonexistent/shared-memory"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database with a study and a run."""
    store = Store(f"sqlite:///{tmp_path}/s.db")
    store.create_study(study_record())
    store.record("s", recorded(0, 10.0))
    store.close()
    return tmp_path / "s.db"


def journal(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return str(connection.execute("PRAGMA journal_mode").fetchone()[0])


def without_shared_memory(file: Path) -> None:
    """As on a network share: SQLite cannot make what WAL needs beside the file, root or not."""
    Path(f"{file}-shm").symlink_to(NOWHERE)


def test_where_wal_is_it_is_used(file: Path) -> None:
    assert journal(file) == "wal"


@pytest.mark.parametrize("begun", ["new", "delete", "wal"])
def test_where_no_wal_can_be_a_study_is_kept_without(begun: str, file: Path) -> None:
    if begun == "new":
        file.unlink()
    elif begun == "delete":
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
    without_shared_memory(file)
    store = Store(f"sqlite:///{file}")
    store.create_study(replace(study_record(), name="t"))
    store.record("t", recorded(0, 10.0))
    assert len(store.runs("t")) == 1
    store.close()
    assert journal(file) == "delete"


def test_what_cannot_be_opened_where_it_is_is_read_all_the_same(file: Path) -> None:
    without_shared_memory(file)
    before = file.read_bytes()
    store = Store(f"sqlite:///{file}", reads=True)
    assert [run.trial for run in store.runs("s")] == [0]
    listed = npu_tune("list", "--storage", f"sqlite:///{file}")
    assert (listed.exit_code, "1 of 10" in listed.stdout) == (0, True), listed.output
    assert file.read_bytes() == before


def test_what_a_writer_has_not_moved_into_the_file_yet_is_read_too(file: Path) -> None:
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("UPDATE tuner_studies SET name = 'late'")
        writer.commit()
        share = file.parent / "share"
        share.mkdir()
        for ending in ("", "-wal"):
            shutil.copy(f"{file}{ending}", share)
    without_shared_memory(share / "s.db")
    store = Store(f"sqlite:///{share}/s.db", reads=True)
    assert [study.name for study in store.studies()] == ["late"]


def test_an_old_database_that_cannot_be_written_is_read_as_it_would_be_now(tmp_path: Path) -> None:
    shutil.copy(DATA / "store-v1.db", tmp_path / "old.db")
    Path(f"{tmp_path}/old.db-journal").symlink_to(NOWHERE)  # no transaction can begin to write here
    store = Store(f"sqlite:///{tmp_path}/old.db", reads=True)
    assert [run.trial for run in store.runs("s")] == [0, 1, 2]


def test_reading_leaves_the_file_in_its_mode(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
    assert npu_tune("list", "--storage", f"sqlite:///{file}").exit_code == 0
    assert journal(file) == "delete"


@pytest.fixture
def locked(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """Another program has begun to write, and does not end."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield other


@pytest.mark.usefixtures("locked")
def test_a_database_that_stays_locked_says_what_to_close(file: Path) -> None:
    with pytest.raises(StorageLockedError) as raised:
        Store(f"sqlite:///{file}").record("s", recorded(1, 10.0))
    assert str(raised.value) == (
        f"storage sqlite:///{file}: another program has kept it locked for 0.01 s: close what has "
        "it open (a database browser, a copy, a backup), and do the same again"
    )
