"""`npu-tune delete`: all of a study or nothing of it, and nothing of another.

The study is a pretended interpreter's (tests/support/studies.py).
"""

from __future__ import annotations

import fcntl
import os
import platform
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.storages._rdb.models import BaseModel

from tests.support.command import npu_tune
from tests.support.runs import recorded, study_record
from tuner.options import DEFAULT_STORAGE
from tuner.runs.store import Store
from tuner.runs.tables import OF_STUDIES, OF_TRIALS

DATABASE = Path("results/npu-tune.db")
OPTUNAS_OWN = {"version_info"}  # which holds no study


def counts() -> dict[str, int]:
    """The rows of each table."""
    with sqlite3.connect(DATABASE) as database:
        names = [
            n for (n,) in database.execute("select name from sqlite_master where type='table'")
        ]
        return {n: database.execute(f"select count(*) from {n}").fetchone()[0] for n in names}


@pytest.fixture
def beside(study: Path) -> dict[str, int]:
    """Another study in the same database, `t`; the rows that are there without `s`."""
    assert study.exists()
    DATABASE.rename("s.db")
    store = Store(DEFAULT_STORAGE)
    _fill(store)
    store.close()
    only_t = counts()
    DATABASE.unlink()
    Path("s.db").rename(DATABASE)
    store = Store(DEFAULT_STORAGE)
    _fill(store)
    store.close()
    return only_t


def _fill(store: Store) -> None:
    record = study_record()
    store.create_study(type(record)(**{**vars(record), "name": "t"}))
    store.record("t", recorded(0, 10.0))
    study = optuna.create_study(storage=store.optuna_storage(), study_name="t")
    study.set_user_attr("a", 1)
    trial = study.ask({"x": optuna.distributions.IntDistribution(0, 9)})
    trial.set_user_attr("b", 2)
    study.tell(trial, 1.0)


def test_nothing_of_it_is_left_and_all_of_another(beside: dict[str, int]) -> None:
    runs = counts()["tuner_runs"] - beside["tuner_runs"]
    assert runs > 12
    done = npu_tune("delete", "s", "--yes")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"deleted: study s, {runs} runs\nkept: results/s.yaml\n"
    assert counts() == beside
    assert Path("results/s.yaml").exists()
    assert npu_tune("show", "s").exit_code == 7


def test_optunas_tables_are_all_known() -> None:
    tables = {table.name for table in BaseModel.metadata.sorted_tables}
    assert {*OF_TRIALS, *OF_STUDIES} == tables - OPTUNAS_OWN


def test_what_fails_on_the_way_deletes_nothing(beside: dict[str, int]) -> None:
    with sqlite3.connect(DATABASE) as database:
        database.execute("create table mine (study integer references studies(study_id))")
        database.execute("insert into mine select study_id from studies")
    before = counts()
    done = npu_tune("delete", "s", "--yes")
    assert (done.exit_code, "FOREIGN KEY constraint failed" in done.stderr) == (8, True)
    assert counts() == before != beside


@pytest.mark.usefixtures("study")
def test_its_working_folder_goes_with_it() -> None:
    Path("results/.work/s/run-1").mkdir(parents=True)
    Path("results/s.unsaved.jsonl.gz").touch()
    assert npu_tune("delete", "s", "--yes").exit_code == 0
    assert sorted(path.name for path in Path("results").iterdir()) == ["npu-tune.db", "s.yaml"]


@pytest.mark.usefixtures("study")
def test_without_a_terminal_it_is_not_asked_and_not_done() -> None:
    done = npu_tune("delete", "s")
    assert (done.exit_code, done.stderr) == (2, (
        "npu-tune: delete s (3 trials) of sqlite:///results/npu-tune.db: there is no terminal to "
        "ask on; add --yes\n"
    ))  # fmt: skip
    assert npu_tune("show", "s").exit_code == 0


@pytest.mark.parametrize(("answer", "code", "left"), [("y\n", 0, 7), ("n\n", 130, 0)])
@pytest.mark.usefixtures("study")
def test_on_a_terminal_it_asks(
    answer: str, code: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from click.testing import CliRunner, _NamedTextIOWrapper

    from tuner.cli.main import main

    monkeypatch.setattr(_NamedTextIOWrapper, "isatty", lambda _: True, raising=False)
    done = CliRunner().invoke(main, ["delete", "s"], input=answer)
    assert done.exit_code == code, done.output
    assert "delete s (3 trials) of sqlite:///results/npu-tune.db? [y/N]: " in done.stderr
    assert npu_tune("show", "s").exit_code == left


@pytest.mark.parametrize(
    ("owner", "says"),
    [
        ({"pid": os.getppid(), "started": psutil.Process(os.getppid()).create_time()},
         f"study 's' is being run by process {os.getppid()}: wait for it, or stop it first"),
        ({"host": "elsewhere", "pid": 1, "started": 0.0},
         "add --take-over when you know that it does not"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("study")
def test_a_study_that_is_measured_stays(owner: dict[str, Any], says: str) -> None:
    store = Store(DEFAULT_STORAGE)
    store.update_study("s", owner={"host": platform.node(), **owner})
    store.close()
    done = npu_tune("delete", "s", "--yes")
    assert (done.exit_code, says in done.stderr) == (7, True), done.output
    assert npu_tune("show", "s").exit_code == 0
    code = npu_tune("delete", "s", "--yes", "--take-over").exit_code
    assert code == (0 if owner.get("host") else 7)


@pytest.mark.usefixtures("study")
def test_a_study_whose_folder_is_worked_in_stays() -> None:
    Path("results/.work/s").mkdir(parents=True)
    folder = os.open("results/.work/s", os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    done = npu_tune("delete", "s", "--yes")
    os.close(folder)
    assert (done.exit_code, "is just being begun or run by another" in done.stderr) == (7, True)
    assert npu_tune("show", "s").exit_code == 0


@pytest.mark.parametrize(
    ("names", "code", "says"),
    [
        (["s", "nosuch"], 7, "there is no study 'nosuch'"),
        (["results/s.yaml"], 2, "name the study; its exported file is yours to remove"),
    ],
)
@pytest.mark.usefixtures("study")
def test_a_name_that_is_no_study_deletes_nothing(names: list[str], code: int, says: str) -> None:
    done = npu_tune("delete", *names, "--yes")
    assert (done.exit_code, says in done.stderr) == (code, True), done.output
    assert npu_tune("show", "s").exit_code == 0
