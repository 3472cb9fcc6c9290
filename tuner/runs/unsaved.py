"""Runs that were measured and that the database does not take: waited for, then kept beside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import StorageError, StorageLockedError
from ..language import N_, say
from ..text import resume_command
from . import recording
from .recording import Recording
from .records import RecordedRun, StudyRecord

if TYPE_CHECKING:
    from .store import RunStore, Store

TRIES = 10  # each waits for `database.BUSY_TIMEOUT_S`


def path_of(results: Path, study: str) -> Path:
    """Where a study's runs are kept that its database did not take."""
    return results / f"{study}.unsaved.jsonl.gz"


def record(
    store: RunStore,
    study: StudyRecord,
    runs: Sequence[RecordedRun],
    beside: Path | None,
    on_wait: Callable[[str], None] | None,
) -> None:
    """Commit runs; while another program keeps the database locked, wait and try again.

    on_wait: is told so once; None: do not wait. Raises StorageError where the database takes them
    not at all; they are then in the file `beside`, where there may be one, for `take_up`.
    """
    try:
        _record_patiently(store, study.name, runs, on_wait)
    except (StorageError, KeyboardInterrupt) as error:
        if beside is None:
            raise
        kept = _keep(study, runs, beside)
        if isinstance(error, StorageError):
            raise type(error)(f"{error}; {kept}") from error
        raise


def take_up(store: Store, study: StudyRecord, beside: Path) -> int:
    """Bring what was kept beside into the database; how many runs. The file is removed."""
    kept = _kept(study, beside)
    known = {run.run.uid for run in store.runs(study.name)} if kept else set()
    missing = [run for run in kept if run.run.uid not in known]
    if missing:
        store.record(study.name, *missing)
    if kept:
        beside.unlink()
    return len(missing)


def _record_patiently(
    store: RunStore,
    name: str,
    runs: Sequence[RecordedRun],
    on_wait: Callable[[str], None] | None,
) -> None:
    for left in reversed(range(TRIES)):
        try:
            store.record(name, *runs)
            return
        except StorageLockedError:
            if on_wait is None or left == 0:
                raise
            if left == TRIES - 1:
                text = N_(
                    "another program keeps the database locked: close what has it open; what was "
                    "measured is kept, and written when the lock is free"
                )
                on_wait(say(text))


def _keep(study: StudyRecord, runs: Sequence[RecordedRun], beside: Path) -> str:
    """Add runs to the file; what is said of it."""
    try:
        recording.write(Recording(study, (*_kept(study, beside), *runs)), beside, {})
    except OSError as error:
        return f"what was measured (runs: {len(runs)}) is lost: {beside}: {error.strerror}"
    again = resume_command(study.name)
    return f"what was measured (runs: {len(runs)}) is kept in {beside}; {again} takes it up"


def _kept(study: StudyRecord, beside: Path) -> tuple[RecordedRun, ...]:
    """The runs in the file; none where it is another study's of this name."""
    if not beside.exists():
        return ()
    content = recording.read(beside)
    of_same = content.study is not None and content.study.created_at == study.created_at
    return content.runs if of_same else ()
