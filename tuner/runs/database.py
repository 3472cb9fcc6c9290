"""How a database is opened: one engine for a URL, its transactions, who may make tables, and what
is said of it all: never a password."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from ..errors import StorageError
from ..options import DEFAULT_STORAGE

BUSY_TIMEOUT_S = 30
READS_ONLY = {"reads_only": True}  # execution options
TABLE_MAKERS = 7_140_218  # an advisory lock of PostgreSQL has a number for its name
SECRET_ARGUMENT = re.compile(
    r"([?&][^=&]*(?:pass|pwd|secret|token|odbc_connect)[^=&]*=)[^&]*", re.I
)


def shown(url: str) -> str:
    """A URL as it may be printed: with *** for what is secret in it."""
    parsed = _parsed(url)
    if parsed is None:  # nothing says where the password begins
        text = re.sub(r"^(.*?://)?.*@", r"\1***@", url)
    else:
        text = parsed.render_as_string(hide_password=True)
    return SECRET_ARGUMENT.sub(r"\1***", text)


@contextlib.contextmanager
def errors(url: str) -> Iterator[None]:
    """Whatever the database refuses becomes a StorageError of one line."""
    try:
        yield
    except (SQLAlchemyError, ImportError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        parsed = _parsed(url)
        if parsed is not None and parsed.password:
            reason = reason.replace(parsed.password, "***")
        raise _unusable(url, reason) from error


def connect_args(url: URL) -> dict[str, Any]:
    """What the driver is told, ours and Optuna's alike."""
    return {"timeout": BUSY_TIMEOUT_S} if _is_sqlite(url) else {}


def make_engine(url: str) -> Engine:
    """The engine, with SQLite's transactions made whole; nothing is opened yet.

    Raises StorageError for what is no URL.
    """
    parsed = _parsed(url)
    if parsed is None:
        raise _unusable(url, "it does not read as a URL of a database")
    engine = create_engine(parsed, connect_args=connect_args(parsed))
    if _is_sqlite(parsed):
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def file_of(url: URL) -> Path | None:
    """The file of an SQLite database; None for one in memory, for a `file:` URI, on a server."""
    name = url.database if _is_sqlite(url) else None
    return Path(name) if name and name != ":memory:" and not name.startswith("file:") else None


def is_missing(url: str) -> bool:
    """Is it the file of an SQLite database, and not there? What is no URL is not missing."""
    parsed = _parsed(url)
    file = None if parsed is None else file_of(parsed)
    return file is not None and not file.exists()


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


def _parsed(url: str) -> URL | None:
    try:
        return make_url(url)
    except (ArgumentError, ValueError):  # ValueError: the port is no number
        return None


def _unusable(url: str, reason: str) -> StorageError:
    return StorageError(
        f"storage {shown(url)}: {reason}; check the URL (for example {DEFAULT_STORAGE}) and that "
        "its folder can be written"
    )


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
