"""The database: what goes in comes out, schemas move forward only."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from tuner import search_space, setup
from tuner.errors import StorageError, StudyConflictError
from tuner.migrations import MIGRATIONS
from tuner.store import Store, pack, unpack
from tuner.worker.protocol import Outcome

from .conftest import DATA
from .fakes import SPACE, recorded, study_record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(f"sqlite:///{tmp_path / 'deep' / 'test.db'}")
    store.create_study(study_record())
    return store


def test_series_survive_packing() -> None:
    series = {"latency_ns": [3, 2**40, -1], "block_ns": []}
    assert unpack(pack(series)) == series


def test_a_run_comes_back_as_it_was(store: Store) -> None:
    runs = [recorded(0, 10), recorded(1, outcome=Outcome.TIMEOUT, mode="fast")]
    for run in runs:
        store.record("s", run)
    assert store.runs("s") == runs


def test_a_study_comes_back_as_it_was(store: Store) -> None:
    assert store.study("s") == study_record()
    assert store.study("t") is None


def test_the_same_run_is_not_recorded_twice(store: Store) -> None:
    run = recorded(0, 10)
    store.record("s", run)
    with pytest.raises(StorageError, match="UNIQUE"):
        store.record("s", run)
    assert len(store.runs("s")) == 1


def test_a_taken_name_is_a_conflict(store: Store) -> None:
    with pytest.raises(StudyConflictError, match="--resume --study s"):
        store.create_study(study_record())


def test_only_one_controller_takes_a_study_over(store: Store) -> None:
    assert store.claim("s", None, {"pid": 1})
    assert not store.claim("s", None, {"pid": 2})


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    Store(f"sqlite:///{path}").close()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO tuner_schema VALUES (99, 'later')")
    with pytest.raises(
        StorageError, match=f"version 99, this npu-tune knows up to {len(MIGRATIONS)}"
    ):
        Store(f"sqlite:///{path}")


@pytest.mark.parametrize("url", ["nonsense", "sqlite:////proc/no/such.db", "oracle9://x"])
def test_a_storage_that_cannot_be_used_is_one_line(url: str) -> None:
    with pytest.raises(StorageError) as raised:
        Store(url)
    assert "check the URL" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS) + 1))
def test_a_database_of_every_version_still_opens(version: int, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(DATA / f"store-v{version}.db", path)
    store = Store(f"sqlite:///{path}")
    found = store.study("s")
    assert found is not None
    assert setup.from_dict(found.setup) == setup.from_dict(study_record().setup)
    assert search_space.from_dict(found.space) == SPACE
    assert (found.created_at, found.facts) == (study_record().created_at, study_record().facts)
    assert [r.run.result.outcome.value for r in store.runs("s")] == ["ok", "ok", "crashed"]
    assert [r.trial for r in store.runs("s")] == [0, 1, 2]
    first = store.runs("s")[0].run.result.measurement
    assert first is not None
    assert first.latency_ns == [10_000_000] * 3
