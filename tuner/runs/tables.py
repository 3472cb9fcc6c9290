"""Our two tables as they are now: what the migrations have come to. Times are UTC in ISO 8601."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()

STUDIES = Table(
    "tuner_studies",
    METADATA,
    Column("name", String(200), primary_key=True),
    Column("created_at", String(40), nullable=False),
    Column("finished_at", String(40)),
    Column("setup", Text, nullable=False),  # JSON, as space, facts and owner
    Column("space", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("owner", Text),
)

RUNS = Table(
    "tuner_runs",
    METADATA,
    Column("uid", String(40), primary_key=True),
    Column("study", String(200), ForeignKey(STUDIES.c.name), nullable=False),
    Column("trial", Integer, nullable=False),
    Column("role", String(20), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("started_at", String(40), nullable=False),
    Column("wall_ns", BigInteger, nullable=False),
    Column("configuration", Text, nullable=False),  # JSON, as spec and result
    Column("spec", Text, nullable=False),
    Column("result", Text, nullable=False),  # without the samples
    Column("disturbed", Text, nullable=False, server_default="[]"),  # JSON: by what
    Column("samples", LargeBinary, nullable=False),  # as `store.pack` packs them
    Column("log_tail", Text, nullable=False),
)
