"""The first start makes the tables: all of them or none, however it ends and whoever starts too."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from tests.support.runs import study_record
from tuner.runs.store import Store

DIES = """
import os, sys
from sqlalchemy import Engine, event
from tuner.runs.store import Store
def die(connection, cursor, statement, *_):
    if "CREATE INDEX" in statement: os._exit(9)
event.listen(Engine, "before_cursor_execute", die)
Store(sys.argv[1])
"""
# Says that everything is imported, and goes when it is told to.
STARTS = """
import sys
import optuna
from tuner.runs.store import Store
print("ready", flush=True)
sys.stdin.readline()
store = Store(sys.argv[1])
if sys.argv[2] == "optuna": store.optuna_storage()
"""


class Killed(BaseException):
    """Stands for kill -9: nothing below may catch it."""


def tables(path: Path) -> list[str]:
    with sqlite3.connect(path) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM sqlite_master")]


@pytest.mark.parametrize("moment", range(1, 18))
def test_a_first_start_killed_at_any_statement_leaves_no_table_and_the_next_opens(
    moment: int, tmp_path: Path
) -> None:
    statements = 0

    def kill(*_: object) -> None:
        nonlocal statements
        statements += 1
        if statements == moment:
            raise Killed

    path = tmp_path / "test.db"
    event.listen(Engine, "before_cursor_execute", kill)
    try:
        with pytest.raises(Killed):
            Store(f"sqlite:///{path}")
    finally:
        event.remove(Engine, "before_cursor_execute", kill)
    assert tables(path) == []
    Store(f"sqlite:///{path}").create_study(study_record())


def test_a_process_killed_in_its_first_start_leaves_no_table_and_the_next_opens(
    tmp_path: Path,
) -> None:
    path = tmp_path / "test.db"
    died = subprocess.run([sys.executable, "-c", DIES, f"sqlite:///{path}"], check=False)
    assert died.returncode == 9
    assert tables(path) == []
    Store(f"sqlite:///{path}").create_study(study_record())


@pytest.mark.parametrize("kind", ["ours", "optuna"])
def test_six_processes_that_start_at_once_in_a_fresh_folder_all_succeed(
    kind: str, tmp_path: Path
) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", STARTS, f"sqlite:///{tmp_path / 'new' / 'test.db'}", kind]
    starters = [subprocess.Popen(command, text=True, **pipes) for _ in range(6)]  # type: ignore[call-overload]
    assert [starter.stdout.readline() for starter in starters] == ["ready\n"] * 6
    for starter in starters:
        starter.stdin.write("go\n")
        starter.stdin.flush()
    assert [starter.communicate()[1] for starter in starters] == [""] * 6
    assert [starter.returncode for starter in starters] == [0] * 6
