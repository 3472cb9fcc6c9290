"""How a database is opened: one engine for a URL, its transactions, and who may make tables."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select

BUSY_TIMEOUT_S = 30
READS_ONLY = {"reads_only": True}  # execution options
TABLE_MAKERS = 7_140_218  # an advisory lock of PostgreSQL has a number for its name


def connect_args(url: str) -> dict[str, Any]:
    """What the driver is told, ours and Optuna's alike."""
    return {"timeout": BUSY_TIMEOUT_S} if _is_sqlite(make_url(url)) else {}


def make_engine(url: str) -> Engine:
    """The engine, with SQLite's transactions made whole; nothing is opened yet."""
    engine = create_engine(url, connect_args=connect_args(url))
    if _is_sqlite(engine.url):
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def file_of(url: URL) -> Path | None:
    """The file of an SQLite database; None for one in memory, for a `file:` URI, on a server."""
    name = url.database if _is_sqlite(url) else None
    return Path(name) if name and name != ":memory:" and not name.startswith("file:") else None


@contextlib.contextmanager
def alone(engine: Engine) -> Iterator[None]:
    """No other process makes tables until the block ends: two first starts would make the same.

    It waits. Beside the database and not in it: Optuna makes its tables by an engine of its own,
    and SQLite would let that wait for us.
    """
    file = file_of(engine.url)
    if file is not None:
        with _locked(file.parent):
            yield
    elif engine.dialect.name == "postgresql":
        with engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(TABLE_MAKERS)))
            yield
    else:
        yield


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # a network file system that locks no folders
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # sqlite3 itself begins no transaction before CREATE TABLE: `_begin_sqlite` begins each.
    connection.isolation_level = None
    # WAL lets `show` read while a study writes; foreign keys are off unless asked for.
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    # What reads and then writes must have the lock from the beginning: it cannot wait for it later.
    reads_only = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
