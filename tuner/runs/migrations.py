"""The database schema, one numbered function per version, applied in order.

All that are missing are applied in one transaction, together with the record of it. Never change
one that was released: add another, and save a database of the old version for the tests.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timezone

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)

from ..errors import StorageError
from .address import shown
from .database import READS_ONLY
from .encoding import from_version_1

SCHEMA = Table(
    "tuner_schema",
    MetaData(),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", String(40), nullable=False),
)
MIGRATIONS: list[Callable[[Connection], None]] = []
migration = MIGRATIONS.append


@migration
def m001_initial(connection: Connection) -> None:
    """Studies and runs. Times in ns, dates UTC in ISO 8601, samples zlib-compressed int64."""
    tables = MetaData()
    Table(
        "tuner_studies",
        tables,
        Column("name", String(200), primary_key=True),
        Column("created_at", String(40), nullable=False),
        Column("finished_at", String(40)),
        Column("setup", Text, nullable=False),
        Column("space", Text, nullable=False),
        Column("facts", Text, nullable=False),
        Column("owner", Text),
    )
    Table(
        "tuner_runs",
        tables,
        Column("uid", String(40), primary_key=True),
        Column("study", String(200), ForeignKey("tuner_studies.name"), nullable=False),
        Column("trial", Integer, nullable=False),
        Column("role", String(20), nullable=False),
        Column("outcome", String(20), nullable=False),
        Column("started_at", String(40), nullable=False),
        Column("wall_ns", BigInteger, nullable=False),
        Column("configuration", Text, nullable=False),
        Column("spec", Text, nullable=False),
        Column("result", Text, nullable=False),
        Column("samples", LargeBinary, nullable=False),
        Column("log_tail", Text, nullable=False),
        Index("tuner_runs_by_trial", "study", "trial"),
    )
    tables.create_all(connection)


@migration
def m002_typed_facts(connection: Connection) -> None:
    """What disturbed a run is a column; a result has typed facts, of which runs have one."""
    connection.execute(text("ALTER TABLE tuner_runs ADD disturbed TEXT NOT NULL DEFAULT '[]'"))
    runs = Table("tuner_runs", MetaData(), autoload_with=connection)
    names = ("spec", "result", "disturbed")
    for row in connection.execute(select(runs.c.uid, *(runs.c[name] for name in names))).all():
        run = from_version_1({name: json.loads(row._mapping[name]) for name in names})
        values = {name: json.dumps(run[name]) for name in names}
        connection.execute(update(runs).where(runs.c.uid == row.uid).values(values))


@migration
def m003_heats(connection: Connection) -> None:
    """Nothing changes here: but runs may be of heats, which an earlier version would misjudge."""


def migrate(engine: Engine) -> None:
    """Bring the schema up to date. Raises StorageError for one newer than this program.

    One that is up to date is only read.
    """
    with engine.execution_options(**READS_ONLY).begin() as connection:
        version = _version(connection)
    if version > len(MIGRATIONS):
        raise StorageError(
            f"{shown(str(engine.url))} has schema version {version}, this npu-tune knows up to "
            f"{len(MIGRATIONS)}: upgrade npu-tune, or choose another --storage"
        )
    if version == len(MIGRATIONS):
        return
    with engine.begin() as connection:
        SCHEMA.create(connection, checkfirst=True)
        version = _version(connection)  # another process may have been faster
        for number, change in enumerate(MIGRATIONS[version:], start=version + 1):
            change(connection)
            now = datetime.now(timezone.utc).isoformat()
            connection.execute(insert(SCHEMA).values(version=number, applied_at=now))


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(SCHEMA.name):
        return 0
    return connection.scalar(select(func.max(SCHEMA.c.version))) or 0
