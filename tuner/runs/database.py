"""How a database is opened: one engine for a URL, its transactions, who may make tables, and what
is said of its errors: never a password."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, StaticPool, create_engine, event, func, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from ..errors import StorageError, StorageLockedError
from .address import file_of, is_sqlite, parse, shown, unusable, usable, without_secrets

BUSY_TIMEOUT_S = 30
READS_ONLY = {"reads_only": True}  # execution options
TABLE_MAKERS = 7_140_218  # an advisory lock of PostgreSQL has a number for its name
LOCKED = ("database is locked", "database table is locked")  # SQLite's words


@contextlib.contextmanager
def errors(url: str, *more: type[Exception]) -> Iterator[None]:
    """Whatever the database refuses becomes a StorageError of one line; and `more`."""
    refusals: tuple[type[Exception], ...] = (SQLAlchemyError, ImportError, OSError, *more)
    try:
        yield
    except refusals as error:
        raise _said(url, error) from _without_secrets(error, url)


@contextlib.contextmanager
def errors_through_optuna(url: str) -> Iterator[None]:
    """The same, of nothing but the database, where Optuna may have wrapped it."""
    try:
        yield
    except StorageError:
        raise
    except Exception as error:
        of_database = error if isinstance(error, SQLAlchemyError) else error.__cause__
        if not isinstance(of_database, SQLAlchemyError):
            raise
        raise _said(url, of_database) from _without_secrets(error, url)


def connect_args(url: URL) -> dict[str, Any]:
    """What the driver is told, ours and Optuna's alike."""
    return {"timeout": BUSY_TIMEOUT_S} if is_sqlite(url) else {}


def make_engine(url: str, reads: bool = False) -> Engine:
    """The engine, with SQLite's transactions made whole. reads: it changes nothing of the file.

    Raises StorageError for what is no URL of a database that stays.
    """
    parsed = usable(url)
    engine, file = create_engine(parsed, connect_args=connect_args(parsed)), file_of(parsed)
    if file is not None and not reads:
        file.parent.mkdir(parents=True, exist_ok=True)
        _write_ahead(file)
    return _whole(engine)


def copy_in_memory(engine: Engine) -> Engine | None:
    """The content of an SQLite file that SQLite cannot open where it is; None for any other.

    A folder that may not be written, or a file system without locks: there is no place for the
    files that SQLite lays beside, and what is in them counts.
    """
    file = file_of(engine.url)
    if file is None or not os.access(file, os.R_OK):
        return None
    memory = sqlite3.connect(":memory:", check_same_thread=False)
    with tempfile.TemporaryDirectory(prefix="npu-tune-") as folder:
        copy = Path(folder, file.name)
        for ending in ("-wal", "-journal", ""):  # a writer elsewhere adds to these before the file
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"{file}{ending}", f"{copy}{ending}")
        with contextlib.closing(sqlite3.connect(copy)) as copied:
            copied.execute("PRAGMA journal_mode=DELETE")
            copied.backup(memory)
    return _whole(create_engine("sqlite://", poolclass=StaticPool, creator=lambda: memory))


def is_missing(url: str) -> bool:
    """Is it the file of an SQLite database, and not there? What is no URL is not missing."""
    parsed = parse(url)
    file = None if parsed is None else file_of(parsed)
    return file is not None and not file.exists()


def is_locked(error: Exception) -> bool:
    """Did another program hold a lock of SQLite for too long?"""
    return isinstance(error, OperationalError) and str(error.orig).startswith(LOCKED)


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


def _said(url: str, error: Exception) -> StorageError:
    if is_locked(error):
        return StorageLockedError(
            f"storage {shown(url)}: another program has kept it locked for {BUSY_TIMEOUT_S:g} s: "
            "close what has it open (a database browser, a copy, a backup), and do the same again"
        )
    reason = (str(getattr(error, "orig", None) or error).splitlines() or [type(error).__name__])[0]
    return unusable(url, without_secrets(reason, url))


def _without_secrets(error: Exception, url: str) -> Exception | None:
    """The cause as a traceback may show it; None for one that has said a secret."""
    chain: BaseException | None = error
    while chain is not None:
        if without_secrets(str(chain), url) != str(chain):
            return None
        chain = chain.__cause__ or chain.__context__
    return error


def _whole(engine: Engine) -> Engine:
    if is_sqlite(engine.url):
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _write_ahead(file: Path) -> None:
    """WAL lets `show` read while a study writes; where it cannot be, the file stays without."""
    try:
        _run(file, "PRAGMA journal_mode=WAL", "PRAGMA user_version")
    except sqlite3.OperationalError as error:
        if str(error).startswith(LOCKED):
            return  # as it is: whoever needs the lock next says so
        # A network share without shared memory, where SQLite notices only when WAL is on.
        with contextlib.suppress(sqlite3.OperationalError):
            _run(file, "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA journal_mode=DELETE")


def _run(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    with contextlib.closing(connection):
        for statement in statements:
            connection.execute(statement).fetchall()


def _set_up_sqlite(connection: Any, _: Any) -> None:
    # sqlite3 itself begins no transaction before CREATE TABLE: `_begin_sqlite` begins each.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys=ON")  # they are off unless asked for
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    # Without WAL, a power failure may damage what was not synchronised in full.
    connection.execute(f"PRAGMA synchronous={'NORMAL' if mode == 'wal' else 'FULL'}")


def _begin_sqlite(connection: Connection) -> None:
    # What reads and then writes must have the lock from the beginning: it cannot wait for it later.
    reads_only = connection.get_execution_options().get("reads_only")
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
