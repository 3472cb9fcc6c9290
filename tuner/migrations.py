"""The database schema, one numbered function per version, applied in order.

All that are missing are applied in one transaction, together with the record of it. Never change
one that was released: add another, and save a database of the old version for the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

from sqlalchemy import Connection, Engine, inspect, text

from .database import READS_ONLY
from .errors import StorageError

MIGRATIONS: list[Callable[[Connection], None]] = []
migration = MIGRATIONS.append


@migration
def m001_initial(connection: Connection) -> None:
    """Studies and runs. Times in ns, dates UTC in ISO 8601, samples zlib-compressed int64."""
    blob = "BYTEA" if connection.dialect.name == "postgresql" else "BLOB"
    connection.execute(
        text(
            """
            CREATE TABLE tuner_studies (
                name VARCHAR(200) PRIMARY KEY,
                created_at VARCHAR(40) NOT NULL,
                finished_at VARCHAR(40),
                setup TEXT NOT NULL,
                space TEXT NOT NULL,
                facts TEXT NOT NULL,
                owner TEXT
            )
            """
        )
    )
    connection.execute(
        text(
            f"""
            CREATE TABLE tuner_runs (
                uid VARCHAR(40) PRIMARY KEY,
                study VARCHAR(200) NOT NULL REFERENCES tuner_studies(name),
                trial INTEGER NOT NULL,
                role VARCHAR(20) NOT NULL,
                outcome VARCHAR(20) NOT NULL,
                started_at VARCHAR(40) NOT NULL,
                wall_ns BIGINT NOT NULL,
                configuration TEXT NOT NULL,
                spec TEXT NOT NULL,
                result TEXT NOT NULL,
                samples {blob} NOT NULL,
                log_tail TEXT NOT NULL
            )
            """
        )
    )
    connection.execute(text("CREATE INDEX tuner_runs_by_trial ON tuner_runs (study, trial)"))


def migrate(engine: Engine) -> None:
    """Bring the schema up to date. Raises StorageError for one newer than this program.

    One that is up to date is only read.
    """
    with engine.execution_options(**READS_ONLY).begin() as connection:
        version = _version(connection)
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{engine.url} has schema version {version}, this npu-tune knows up to "
            f"{len(MIGRATIONS)}: upgrade npu-tune, or choose another --storage"
        )
    if version == len(MIGRATIONS):
        return
    with engine.begin() as connection:
        version = _version(connection)  # another process may have been faster
        if version == 0:
            connection.execute(
                text(
                    "CREATE TABLE IF NOT EXISTS tuner_schema"
                    " (version INTEGER PRIMARY KEY, applied_at VARCHAR(40) NOT NULL)"
                )
            )
        for number, change in enumerate(MIGRATIONS[version:], start=version + 1):
            change(connection)
            connection.execute(
                text("INSERT INTO tuner_schema (version, applied_at) VALUES (:version, :now)"),
                {"version": number, "now": datetime.now(timezone.utc).isoformat()},
            )


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table("tuner_schema"):
        return 0
    return connection.execute(text("SELECT MAX(version) FROM tuner_schema")).scalar() or 0
