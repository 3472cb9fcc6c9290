"""STUDY or BEST.yaml: what a command's argument names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import StudyConflictError
from ..language import say

if TYPE_CHECKING:
    from ..deploy.best import BestConfiguration
    from ..evidence.summary import Summary
    from ..runs.store import Store


def is_file(name: str) -> bool:
    """Does it look like an exported file's name? A study's has no folder, hardly this ending."""
    return name.endswith((".yaml", ".yml")) or "/" in name


def study_of(store: Store, name: str) -> str:
    """The study that is named; of an exported file the one that it is of, which is said.

    Raises StudyConflictError where that one is not in the store, UsageError for another file.
    """
    from ..deploy import best as best_file

    if not is_file(name) or store.study(name):
        return name
    study = best_file.load(name).study
    if store.study(study) is None:
        raise StudyConflictError(
            f"{name} is of study {study!r}, which is not in {store.url}, and more of it is needed "
            "than the file holds: name its database with --storage"
        )
    click.echo(say("{path}: of study {study}, which is read", path=name, study=study), err=True)
    return study


def best_of(name: str, storage: str) -> tuple[BestConfiguration, Summary | None]:
    """The configuration of an exported file; or of a study, as it would be exported now, and it.

    Raises UsageError for a file, StudyConflictError for a study, with what is wrong.
    """
    from ..deploy import best as best_file
    from ..evidence.conclude import conclude
    from ..runs.store import Store
    from ..study import stored

    if is_file(name) or Path(name).is_file():
        return best_file.load(name), None
    store = Store(storage, reads=True)
    summary = stored.load(store, name)
    store.close()
    return best_file.best_configuration(conclude(summary), summary.study.setup), summary
