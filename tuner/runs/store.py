"""Studies and runs in one database with Optuna's tables; ours have the prefix `tuner_`."""

from __future__ import annotations

import array
import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Engine, delete, distinct, func, insert, inspect, select, update
from sqlalchemy.exc import OperationalError

from ..errors import StudyConflictError
from ..text import command, resume_command
from ..worker.protocol import Outcome
from . import database, encoding
from .address import shown
from .migrations import migrate
from .records import RecordedRun, StudyRecord
from .tables import RUNS, STUDIES, of_optuna

if TYPE_CHECKING:
    from optuna.storages import BaseStorage, InMemoryStorage, RDBStorage

SAMPLE_SERIES = (
    "warmup_ns",
    "dispatch_ns",
    "latency_ns",
    "block_ns",
    "host_to_device_ns",
    "device_to_host_ns",
    "rested_ns",
    "latency_turns",
    "block_turns",
    "turns",
    "turn_started_ns",
    "unscored_ns",
    "turn_cpu_ns",
    "turn_wait_ns",
    "turn_pressure_ns",
)
STUDY_IN_JSON = ("setup", "space", "facts", "owner")  # columns
RUN_IN_JSON = ("configuration", "disturbed", "spec", "result")


class RunStore(Protocol):
    """What a study in progress needs of a store."""

    def runs(self, study: str) -> list[RecordedRun]:
        """Every run of a study, in the order in which they started."""

    def record(self, study: str, *runs: RecordedRun) -> None:
        """Keep a run that was made alone, or all of a heat."""

    def update_study(self, name: str, **fields: Any) -> None:
        """Set `setup`, `owner` or `finished_at`."""

    def optuna_storage(self) -> BaseStorage:
        """For Optuna's own trials."""


class Store:
    """Studies and runs. Every method is one transaction; errors become StorageError.

    url: as it may be printed, without a password.
    """

    def __init__(self, url: str, create: bool = True, reads: bool = False) -> None:
        """create: where there is none; else StudyConflictError, and nothing is made.

        reads: it is only read, which needs no right to write; nothing is made either.
        """
        self.url, self._url = shown(url), url
        if (reads or not create) and database.is_missing(url):
            begin = command("--model", "mobilenet_v2")
            raise StudyConflictError(
                f"there is no database {self.url}: check --storage and the folder that you are in; "
                f"{begin} begins a first study"
            )
        with database.errors(url, TypeError, ValueError):  # of arguments that the driver has not
            self._engine = database.make_engine(url, reads)
            try:
                self._open()
            except OperationalError as error:
                from_copy = reads and not database.is_locked(error)
                copy = database.copy_in_memory(self._engine) if from_copy else None
                if copy is None:
                    raise
                self._engine = copy
                self._open()
        self._engines: list[Engine] = [self._engine]

    def _open(self) -> None:
        with database.alone(self._engine):
            migrate(self._engine)

    def optuna_storage(self) -> RDBStorage:
        """Optuna's own tables in the same database."""
        from optuna.storages import RDBStorage

        arguments = {"connect_args": database.connect_args(self._engine.url)}
        with database.errors(self._url), database.alone(self._engine):
            storage = RDBStorage(self._url, engine_kwargs=arguments)
        self._engines.append(storage.engine)
        return storage

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """What the database refuses to Optuna becomes a StorageError."""
        with database.errors_through_optuna(self._url):
            yield

    @contextlib.contextmanager
    def _reading(self) -> Iterator[Connection]:
        engine = self._engine.execution_options(**database.READS_ONLY)
        with database.errors(self._url), engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Connection]:
        with database.errors(self._url), self._engine.begin() as connection:
            yield connection

    def create_study(self, record: StudyRecord) -> None:
        """Raises StudyConflictError when the name is taken."""
        self.require_free(record.name)
        values = _as_columns(encoding.study_to_dict(record), STUDY_IN_JSON)
        with self._writing() as connection:
            connection.execute(insert(STUDIES).values(values))

    def require_free(self, name: str) -> None:
        """Raises StudyConflictError when there is a study of this name."""
        if self.study(name):
            raise StudyConflictError(
                f"study {name!r} exists in {self.url}: continue it with {resume_command(name)}, or "
                "choose another name with --study"
            )

    def update_study(self, name: str, **fields: Any) -> None:
        """Set `setup`, `owner` or `finished_at`."""
        values = {
            key: value and value.isoformat() if key == "finished_at" else json.dumps(value)
            for key, value in fields.items()
        }
        with self._writing() as connection:
            connection.execute(update(STUDIES).where(STUDIES.c.name == name).values(values))

    def claim(self, name: str, before: dict[str, Any] | None, owner: dict[str, Any]) -> bool:
        """Take the study over from the owner before; False when another was faster."""
        of_before = STUDIES.c.name == name, STUDIES.c.owner == json.dumps(before)
        with self._writing() as connection:
            changed = connection.execute(
                update(STUDIES).where(*of_before).values(owner=json.dumps(owner))
            )
            return changed.rowcount == 1

    def delete_study(self, name: str) -> None:
        """Remove a study, its runs and Optuna's study of that name: all of it, or nothing."""
        with self._writing() as connection:
            connection.execute(delete(RUNS).where(RUNS.c.study == name))
            connection.execute(delete(STUDIES).where(STUDIES.c.name == name))
            for statement in of_optuna(name, inspect(connection).get_table_names()):
                connection.execute(statement)

    def studies(self) -> list[StudyRecord]:
        """Every study, oldest first."""
        with self._reading() as connection:
            rows = connection.execute(
                select(STUDIES).order_by(STUDIES.c.created_at, STUDIES.c.name)
            ).all()
        return [_study(row) for row in rows]

    def study(self, name: str) -> StudyRecord | None:
        """The study of this name."""
        with self._reading() as connection:
            row = connection.execute(select(STUDIES).where(STUDIES.c.name == name)).one_or_none()
        return None if row is None else _study(row)

    def trials_done(self) -> dict[str, int]:
        """Of each study that has some: how many `summary.finished_trials` there are."""
        counted = (
            select(RUNS.c.study, func.count(distinct(RUNS.c.trial)))
            .where(RUNS.c.outcome != Outcome.ENVIRONMENT_ERROR.value)
            .group_by(RUNS.c.study)
        )
        with self._reading() as connection:
            return {study: count for study, count in connection.execute(counted)}

    def record(self, study: str, *runs: RecordedRun) -> None:
        """Commit a run, or all of a heat. Before Optuna is told: nothing told is missing here."""
        rows = [_row(study, recorded) for recorded in runs]
        with self._writing() as connection:
            connection.execute(insert(RUNS), rows)

    def runs(self, study: str) -> list[RecordedRun]:
        """Every run of a study, in the order in which they started."""
        query = select(RUNS).where(RUNS.c.study == study).order_by(RUNS.c.started_at, RUNS.c.uid)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [_recorded(row) for row in rows]

    def close(self) -> None:
        """Release the database file, Optuna's hold on it included."""
        for engine in self._engines:
            engine.dispose()


class MemoryStore:
    """Runs and trials that are gone with the process: of a replay, or of fresh pairs."""

    def __init__(self) -> None:
        self._runs: list[RecordedRun] = []

    def runs(self, _: str) -> list[RecordedRun]:
        """Every run, in the order in which they started."""
        return list(self._runs)

    def record(self, _: str, *runs: RecordedRun) -> None:
        """Keep them."""
        self._runs += runs

    def update_study(self, name: str, **fields: Any) -> None:
        """Nothing: there is no record of the study here."""

    def optuna_storage(self) -> InMemoryStorage:
        """For Optuna's own trials."""
        from optuna.storages import InMemoryStorage

        return InMemoryStorage()


def pack(series: dict[str, list[int]]) -> bytes:
    """Named ns series as one compressed blob: a JSON header line of lengths, then int64."""
    header = json.dumps({name: len(values) for name, values in series.items()}).encode()
    values = array.array("q", [value for values in series.values() for value in values])
    return zlib.compress(header + b"\n" + values.tobytes())


def unpack(blob: bytes) -> dict[str, list[int]]:
    """The reverse of `pack`."""
    header, _, body = zlib.decompress(blob).partition(b"\n")
    values = array.array("q")
    values.frombytes(body)
    series, start = {}, 0
    for name, length in json.loads(header).items():
        series[name] = values[start : start + length].tolist()
        start += length
    return series


def _as_columns(data: Mapping[str, Any], in_json: Sequence[str]) -> dict[str, Any]:
    return {**data, **{name: json.dumps(data[name]) for name in in_json}}


def _from_columns(row: Any, in_json: Sequence[str]) -> dict[str, Any]:
    columns = row._mapping
    return {**columns, **{name: json.loads(columns[name] or "null") for name in in_json}}


def _row(study: str, recorded: RecordedRun) -> dict[str, Any]:
    run = encoding.run_to_dict(recorded)
    measurement = run["result"]["measurement"] or {}
    series = {name: measurement.pop(name) for name in SAMPLE_SERIES if measurement}
    own = {"study": study, "role": recorded.role.value, "outcome": recorded.outcome.value}
    return {**_as_columns(run, RUN_IN_JSON), **own, "samples": pack(series)}


def _recorded(row: Any) -> RecordedRun:
    run = _from_columns(row, RUN_IN_JSON)
    if run["result"]["measurement"] is not None:
        run["result"]["measurement"].update(unpack(run["samples"]))
    return encoding.run_from_dict(run)


def _study(row: Any) -> StudyRecord:
    return encoding.study_from_dict(_from_columns(row, STUDY_IN_JSON))
