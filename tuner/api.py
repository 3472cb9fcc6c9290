"""The library: what the command does, as typed objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .deploy.best import export
from .errors import UsageError
from .evidence.conclude import conclude
from .evidence.objectives import OBJECTIVES
from .evidence.result import Result
from .options import DEFAULT_STORAGE, OFFERED, RESULTS, Setup, new_setup, values_of
from .runs import recording
from .runs.store import Store
from .study import session, stored
from .study.progress import Progress
from .study.replay import replay
from .study.runner import Caller
from .text import keep_in

if TYPE_CHECKING:
    from .study.sampler import Sampler

RECORDING_SUFFIX = ".gz"


def tune(
    model: str,
    *,
    study: str = "",
    storage: str = DEFAULT_STORAGE,
    on_progress: Callable[[str], None] | None = None,
    wait: bool = True,
    **options: Any,
) -> Result:
    """Run a study to its end: search, confirm, write `results/<study>.yaml`.

    options: those of `npu-tune tune`, by the names of the signature. study: "" for `<model>-<n>`.
    on_progress: is called with one line before and after each run. wait: for another study on the
    device; else fail with StudyConflictError. The command continues an interrupted study.

    Raises a `tuner.errors.TunerError`, whose text says what to do.
    """
    setup = new_setup({"model": model, **options})
    say = on_progress or (lambda _: None)
    store = _store(storage)
    try:
        name = study or session.new_name(store, setup)
        progress = Progress(OBJECTIVES[setup.objective], say)
        caller = Caller(progress, note=say, on_wait=say if wait else None)
        summary = session.tune(setup, store, name, caller)
        return export(summary, RESULTS)[0]
    finally:
        store.close()


def _signature() -> inspect.Signature:
    """That of `tune`, with each option in the place of `**options`."""
    written = inspect.signature(tune)
    parameters = dict(written.parameters)
    rest = parameters.pop("options").replace(kind=inspect.Parameter.KEYWORD_ONLY)
    for field in fields(Setup):
        if field.name in OFFERED and field.name not in parameters:
            default = field.default if field.default is not MISSING else {}
            parameters[field.name] = rest.replace(
                name=field.name, default=default, annotation=field.type
            )
    return written.replace(parameters=[*parameters.values()])


tune.__signature__ = _signature()  # type: ignore[attr-defined]


def _store(storage: str, reads: bool = False) -> Store:
    """The database, which every command that is named then carries."""
    store = Store(storage, reads=reads)
    keep_in("" if storage == DEFAULT_STORAGE else store.url)
    return store


def load_result(study: str, storage: str = DEFAULT_STORAGE) -> Result:
    """A stored study, judged by the rules of this version. Raises StudyConflictError."""
    store = _store(storage, reads=True)
    try:
        return conclude(stored.load(store, study))
    finally:
        store.close()


def replay_study(
    study: str | Path,
    *,
    sampler: Sampler | None = None,
    noise: float = 1.0,
    seed: int = 0,
    storage: str = DEFAULT_STORAGE,
    **changes: Any,
) -> Result:
    """What a stored study, or a recording (a .jsonl.gz file), would have found otherwise.

    Nothing is measured: each run is a recorded one of that configuration, drawn at random, with the
    drift of the host at that moment; what was not recorded is not proposed. Runs of a configuration
    that was measured once do not scatter. sampler: seed -> one of Optuna's samplers; TPE. noise: a
    factor on scatter and drift. changes: options of the study, such as
    trials or confirm.

    Raises StudyConflictError, or UsageError for a file that is no recording.
    """
    if str(study).endswith(RECORDING_SUFFIX):
        content = recording.read(Path(study))
        if content.study is None:
            raise UsageError(f"{study}: a recording in which no study was begun")
        record, runs = content.study, content.runs
    else:
        store = _store(storage, reads=True)
        try:
            record, runs = stored.load(store, str(study)).study, tuple(store.runs(str(study)))
        finally:
            store.close()
    return replay(record, runs, sampler=sampler, noise=noise, seed=seed, **values_of(changes))
