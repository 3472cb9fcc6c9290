"""The database schema, one numbered function per version, applied in order.

Each runs in one transaction together with the record that it was applied. Never change one that
was released: add another, and save a database of the old version for the tests.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection, text

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
