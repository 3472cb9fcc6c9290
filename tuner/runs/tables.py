"""Our two tables as they are now, what the migrations have come to, and Optuna's by name.

Times are UTC in ISO 8601.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnClause,
    Delete,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    column,
    delete,
    select,
    table,
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

# Optuna's tables that hold a study, by the column that says of which trial or study a row is; what
# refers to others comes before them.
OF_TRIALS = (
    "trial_heartbeats", "trial_intermediate_values", "trial_params", "trial_system_attributes",
    "trial_user_attributes", "trial_values",
)  # fmt: skip
OF_STUDIES = (
    "trials", "study_directions", "study_system_attributes", "study_user_attributes", "studies",
)  # fmt: skip


def of_optuna(name: str, there: Collection[str]) -> Iterator[Delete]:
    """What removes Optuna's study of a name. there: tables, which it makes when it needs them."""
    number: ColumnClause[int] = column("study_id")
    study = select(number).select_from(table("studies")).where(column("study_name") == name)
    trial: ColumnClause[int] = column("trial_id")
    trials = select(trial).select_from(table("trials")).where(number.in_(study))
    for part in OF_TRIALS:
        if part in there:
            yield delete(table(part)).where(trial.in_(trials))
    for part in OF_STUDIES:
        if part in there:
            yield delete(table(part)).where(number.in_(study))
