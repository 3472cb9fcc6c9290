"""A stored study, read back."""

from __future__ import annotations

from ..errors import StudyConflictError
from ..evidence.summary import Summary, summarize
from ..runs.store import Store


def load(store: Store, name: str) -> Summary:
    """A stored study, judged by today's rules. Raises StudyConflictError."""
    record = store.study(name)
    if record is None:
        known = ", ".join(study.name for study in store.studies()) or "none"
        raise StudyConflictError(f"there is no study {name!r} in {store.url}; studies: {known}")
    return summarize(record, store.runs(name))
