"""A study taken out of the store, with what it left behind; the files that were exported stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..options import RESULTS
from ..runs import owner, unsaved
from ..runs.folder import removing
from ..runs.records import RecordedRun
from ..runs.store import Store
from . import stored

ENDINGS = (".yaml", ".env", ".Dockerfile", ".py", ".html")  # of what is exported


@dataclass(frozen=True)
class Removed:
    """What is gone: so many runs; and the files of the study that stay."""

    study: str
    runs: int
    kept: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def remove(store: Store, name: str, take_over: bool = False, results: Path = RESULTS) -> Removed:
    """Delete a study: its rows and Optuna's, its working folder, runs that were kept beside.

    take_over: as in `session.resume`. Raises StudyConflictError where there is none of this name,
    or where it is being measured.
    """
    record = stored.load(store, name).study
    with removing(results, name):
        owner.require_dead(name, record.owner, take_over)
        runs = store.runs(name)
        store.delete_study(name)
        unsaved.path_of(results, name).unlink(missing_ok=True)
    kept = sorted({str(path) for path in _files(results, name, runs) if path.exists()})
    return Removed(name, len(runs), tuple(kept))


def _files(results: Path, name: str, runs: list[RecordedRun]) -> Iterator[Path]:
    """What may have been written of the study: exports, reports, engines' files, profiles."""
    for ending in ENDINGS:
        yield results / f"{name}{ending}"
    for recorded in runs:
        yield results / "profile" / f"{name}-{recorded.trial}"
        if exported := recorded.run.result.exported:
            yield results / f"{name}-{exported}"
