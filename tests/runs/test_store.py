"""The database: what goes in comes out, schemas move forward only."""

from __future__ import annotations

import re
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support import DATA
from tests.support.runs import SPACE, recorded, study_record
from tuner import options
from tuner.cli.main import main
from tuner.errors import StorageError, StudyConflictError
from tuner.options import Setup
from tuner.runs.migrations import MIGRATIONS
from tuner.runs.store import Store, pack, unpack
from tuner.runs.tables import METADATA
from tuner.space import model
from tuner.worker.facts import Convolutions
from tuner.worker.protocol import Outcome


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
    runs[0] = replace(runs[0], disturbed=("steal", "throttling"))
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
    study = store.study("s")
    assert study is not None
    asked = Setup("m", trials=10, tolerance=0.001)  # the default until version 3
    alone = replace(asked, heat="1", heat_size=1)  # what earlier versions knew
    assert options.from_dict(study.setup) == (asked if version > 2 else alone)
    assert model.from_dict(study.space).baseline() == SPACE.baseline()
    assert (study.created_at, study.facts) == (study_record().created_at, study_record().facts)
    assert [r.run.result.outcome.value for r in store.runs("s")] == ["ok", "ok", "crashed"]
    assert [r.trial for r in store.runs("s")] == [0, 1, 2]
    first = store.runs("s")[0].run.result.measurement
    assert first is not None
    assert first.latency_ns == [10_000_000] * 3


def test_what_disturbed_a_run_moves_out_of_the_workers_result(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    shutil.copy(DATA / "store-v1.db", path)
    facts = '{"disturbed": ["steal"], "convolutions": "aclnn", "convolutions_how": "52 aclnnConv"}'
    with sqlite3.connect(path) as connection:
        changed = "json_set(result, '$.facts', json(?))"
        connection.execute(f"UPDATE tuner_runs SET result = {changed} WHERE trial = 1", [facts])
    runs = Store(f"sqlite:///{path}").runs("s")
    assert [run.disturbed for run in runs] == [(), ("steal",), ()]
    paths = [run.run.result.convolutions for run in runs]
    assert paths == [None, Convolutions("aclnn", "52 aclnnConv"), None]


def test_a_study_is_read_without_the_others(store: Store, tmp_path: Path) -> None:
    store.create_study(replace(study_record(), name="t"))
    with sqlite3.connect(tmp_path / "deep" / "test.db") as connection:
        connection.execute("UPDATE tuner_studies SET setup = 'damaged' WHERE name = 't'")
    assert store.study("s") == study_record()


def test_finished_trials_are_counted_without_reading_a_sample(store: Store, tmp_path: Path) -> None:
    store.create_study(replace(study_record(), name="t"))
    for run in (recorded(0, 10), recorded(0, 10), recorded(1, outcome=Outcome.CRASHED)):
        store.record("s", run)
    store.record("s", recorded(2, outcome=Outcome.ENVIRONMENT_ERROR))
    with sqlite3.connect(tmp_path / "deep" / "test.db") as connection:
        connection.execute("UPDATE tuner_runs SET samples = 'damaged', result = 'damaged'")
    listed = CliRunner().invoke(main, ["list", "--storage", store.url])
    assert re.findall(r"\d of \d+", listed.stdout) == ["2 of 10", "0 of 10"]


@pytest.mark.usefixtures("store")
def test_a_new_database_has_the_columns_of_a_saved_one(tmp_path: Path) -> None:
    def columns(path: Path) -> list[tuple[str, ...]]:
        query = (
            "SELECT m.name, c.name, c.type, c.pk FROM sqlite_master m, pragma_table_info(m.name) c"
        )
        with sqlite3.connect(path) as connection:
            return sorted(row for row in connection.execute(query) if row[0].startswith("tuner_"))

    saved = columns(DATA / f"store-v{len(MIGRATIONS)}.db")
    assert columns(tmp_path / "deep" / "test.db") == saved
    known = [(t.name, c.name) for t in METADATA.tables.values() for c in t.columns]
    assert sorted(known) == [row[:2] for row in saved if row[0] in METADATA.tables]
