"""The library: what the command does, as typed objects."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .deploy.best import export
from .errors import UsageError
from .evidence.conclude import conclude
from .evidence.objectives import OBJECTIVES
from .evidence.result import Result
from .options import (
    DEFAULT_STORAGE,
    OFFERED,
    OPTIONS,
    RESULTS,
    Setup,
    flag,
    new_setup,
    read,
    values_of,
)
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
# Field of an option -> its name here, which is that of the command line.
ARGUMENTS = {name: flag(name).removeprefix("--").replace("-", "_") for name in OFFERED}


def tune(
    model: str,
    *,
    study: str = "",
    storage: str = DEFAULT_STORAGE,
    on_progress: Callable[[str], None] | None = None,
    no_wait: bool = False,
    **options: Any,
) -> Result:
    """Run a study to its end: search, confirm, write `results/<study>.yaml`.

    options: those of `npu-tune tune`, by the same names and in the same units: `budget` in minutes,
    `memory_limit="4GiB"`, `set={"threads": 2}`. study: "" for `<model>-<n>`. on_progress: is called
    with one line before and after each run. no_wait: fail with StudyConflictError when another
    study is measured on the device. The command continues an interrupted study.

    The names of earlier versions (budget_s, timeout_s, pause_ms, memory_limit_bytes, pins, inputs,
    wait) are taken, too.

    Raises a `tuner.errors.TunerError`, whose text says what to do.
    """
    waits = options.pop("wait", not no_wait)
    setup = new_setup({"model": model, **named(options)})
    say = on_progress or (lambda _: None)
    store = _store(storage)
    try:
        name = study or session.new_name(store, setup)
        progress = Progress(OBJECTIVES[setup.objective], say)
        caller = Caller(progress, note=say, on_wait=say if waits else None)
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
        name = ARGUMENTS.get(field.name, "model")
        if name not in parameters:
            default = field.default if field.default is not MISSING else {}
            parameters[name] = rest.replace(name=name, default=default, annotation=field.type)
    return written.replace(parameters=[*parameters.values()])


tune.__signature__ = _signature()  # type: ignore[attr-defined]


def named(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments by the fields of Setup, which earlier versions took for their names.

    Raises UsageError for both names of one option, and for a value that does not read.
    """
    values = dict(arguments)
    for name, argument in ARGUMENTS.items():
        if argument != name and argument in values:
            if name in values:
                raise UsageError(f"{argument} and {name} are the same option: give one of them")
            values[name] = _value(name, values.pop(argument))
    return values


def _value(name: str, value: Any) -> Any:
    """In the option's own unit, such as minutes, or as its text, such as 4GiB."""
    option = OPTIONS[name]
    if value is None or option.many or option.parse is None:
        return value
    return read(name, str(value), option.parse)


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
    factor on scatter and drift. changes: options of the study, as in `tune`.

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
    return replay(
        record, runs, sampler=sampler, noise=noise, seed=seed, **values_of(named(changes))
    )
