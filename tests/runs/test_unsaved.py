"""A database that stays locked costs no run that was measured."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import OperationalError

from tests.support.runner import runner_of
from tests.support.runs import BEGAN, SPACE, recorded, study_record
from tuner.errors import StorageError, StorageLockedError
from tuner.runs import database, unsaved
from tuner.runs.store import MemoryStore, Store
from tuner.worker.protocol import Role

RUN = recorded(0, 10.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.01)
    store = Store(f"sqlite:///{tmp_path}/s.db")
    store.create_study(study_record())
    return store


@pytest.fixture
def other(store: Store, tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Another program that has begun to write."""
    assert store
    with closing(sqlite3.connect(tmp_path / "s.db", isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield connection


def test_a_run_waits_for_the_lock_and_says_so_once(store: Store, other: sqlite3.Connection) -> None:
    told: list[str] = []

    def on_wait(line: str) -> None:
        told.append(line)
        other.execute("ROLLBACK")

    unsaved.record(store, study_record(), [RUN], None, on_wait)
    assert store.runs("s") == [RUN]
    assert told == [
        "another program keeps the database locked: close what has it open; what was measured is "
        "kept, and written when the lock is free"
    ]


@pytest.mark.parametrize("waits", [True, False])
def test_what_the_database_does_not_take_is_kept_and_taken_up(
    waits: bool, store: Store, other: sqlite3.Connection, tmp_path: Path
) -> None:
    told: list[str] = []
    beside, runs = unsaved.path_of(tmp_path, "s"), [RUN, recorded(1, 5.0, mode="fast")]
    for run in runs:
        with pytest.raises(StorageLockedError) as raised:
            unsaved.record(store, study_record(), [run], beside, told.append if waits else None)
    assert str(raised.value).endswith(
        f"do the same again; what was measured (runs: 1) is kept in {tmp_path}/s.unsaved.jsonl.gz; "
        "npu-tune --resume --study s takes it up"
    )
    assert len(told) == 2 * waits
    other.execute("ROLLBACK")
    store.record("s", RUN)  # it came so far, and only the answer was lost
    assert unsaved.take_up(store, study_record(), beside) == 1
    assert store.runs("s") == runs
    assert not beside.exists()


def test_what_another_study_of_this_name_left_is_not_taken_up(store: Store, tmp_path: Path) -> None:
    beside = unsaved.path_of(tmp_path, "s")
    unsaved._keep(replace(study_record(), created_at=BEGAN.replace(year=2020)), [RUN], beside)
    assert unsaved.take_up(store, study_record(), beside) == 0
    assert store.runs("s") == []


def test_a_second_ctrl_c_while_it_waits_loses_nothing(tmp_path: Path) -> None:
    class Waiting(MemoryStore):
        def record(self, *_: object) -> None:
            raise KeyboardInterrupt

    beside = unsaved.path_of(tmp_path, "s")
    with pytest.raises(KeyboardInterrupt):
        unsaved.record(Waiting(), study_record(), [RUN], beside, None)
    assert unsaved._kept(study_record(), beside) == (RUN,)


def test_where_nothing_can_be_kept_it_is_said(tmp_path: Path) -> None:
    class Full(MemoryStore):
        def record(self, *_: object) -> None:
            raise StorageError("full")

    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"full; what was measured \(runs: 1\) is lost: .*"):
        unsaved.record(Full(), study_record(), [RUN], tmp_path / "file" / "s", None)


def test_a_runner_keeps_what_it_measured(tmp_path: Path) -> None:
    class Locked(MemoryStore):
        def record(self, *_: object) -> None:
            raise StorageLockedError("locked")

    runner, _, _ = runner_of()
    runner.store, runner.beside = Locked(), unsaved.path_of(tmp_path, "s")
    base = SPACE.baseline()
    with pytest.raises(StorageLockedError, match="is kept in"):
        runner.run_once(base, runner.trial_spec(0, base, Role.BASELINE))
    assert [run.trial for run in unsaved._kept(runner.record, runner.beside)] == [0]


LOCKED = OperationalError("INSERT", {}, sqlite3.OperationalError("database is locked"))


@pytest.mark.parametrize("wrapped", [True, False])
def test_what_optuna_meets_is_one_line(wrapped: bool, store: Store) -> None:
    error: Exception = LOCKED
    if wrapped:
        error = StorageInternalError("An exception is raised during the commit.")
        error.__cause__ = LOCKED
    with pytest.raises(StorageLockedError, match="has kept it locked"), store.errors():
        raise error


def test_any_other_error_stays_what_it_is(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.errors():
        raise ZeroDivisionError
