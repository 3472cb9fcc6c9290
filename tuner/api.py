"""The library: what the command does, as typed objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .deploy.best import export
from .errors import UsageError
from .evidence.conclude import conclude
from .evidence.objectives import OBJECTIVES
from .evidence.result import Result
from .options import DEFAULT_STORAGE, RESULTS, Setup, parse_input
from .runs import recording
from .runs.store import Store
from .study import session, stored
from .study.progress import Progress
from .study.replay import replay
from .study.runner import Caller

if TYPE_CHECKING:
    from .study.sampler import Sampler

RECORDING_SUFFIX = ".gz"


def tune(
    model: str,
    *,
    trials: int = 40,
    budget_s: float | None = None,
    study: str = "",
    backend: str = "auto",
    space: str | Path = "",
    pins: Mapping[str, str] | None = None,
    objective: str = "latency",
    max_latency_ms: float | None = None,
    timed_region: str = "inference",
    inputs: Sequence[str] = (),
    weights: str | None = None,
    confirm: str | int = "auto",
    target_effect: float | None = None,
    ablate: bool = False,
    seed: int = 0,
    timeout_s: float | None = None,
    memory_limit_bytes: int | None = None,
    cpus: Sequence[int] = (),
    device: int | None = None,
    python: str = "",
    env_script: str = "",
    launch_prefix: str = "",
    tolerance: float = 1e-3,
    allow_lossy: bool = False,
    storage: str = DEFAULT_STORAGE,
    on_progress: Callable[[str], None] | None = None,
    wait: bool = True,
) -> Result:
    """Run a study to its end: search, confirm, write `results/<study>.yaml`.

    The arguments are the options of `npu-tune tune`. study: "" for `<model>-<n>`. on_progress: is
    called with one line before and after each run. wait: for another study on the device; else fail
    with StudyConflictError. The command continues an interrupted study.

    Raises a `tuner.errors.TunerError`, whose text says what to do.
    """
    asked = Setup(
        model=model,
        trials=trials,
        budget_s=budget_s,
        backend=backend,
        space=str(space),
        pins=dict(pins or {}),
        objective=objective,
        max_latency_ms=max_latency_ms,
        timed_region=timed_region,
        inputs=tuple(inputs),
        weights=weights,
        timeout_s=timeout_s,
        memory_limit_bytes=memory_limit_bytes,
        seed=seed,
        cpus=tuple(cpus),
        device=device,
        python=python,
        env_script=str(Path.cwd() / env_script) if env_script else "",
        launch_prefix=launch_prefix,
        tolerance=tolerance,
        allow_lossy=allow_lossy,
        confirm=str(confirm),
        target_effect=target_effect,
        ablate=ablate,
        folder=str(Path.cwd()),
    ).check()
    for text in asked.inputs:
        parse_input(text)
    say = on_progress or (lambda _: None)
    store = Store(storage)
    try:
        name = study or session.new_name(store, asked)
        progress = Progress(OBJECTIVES[objective], say)
        caller = Caller(progress, note=say, on_wait=say if wait else None)
        summary = session.tune(asked, store, name, caller)
        return export(summary, RESULTS)[0]
    finally:
        store.close()


def load_result(study: str, storage: str = DEFAULT_STORAGE) -> Result:
    """A stored study, judged by the rules of this version. Raises StudyConflictError."""
    store = Store(storage, create=False)
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
    factor on scatter and drift. changes: fields of `tuner.setup.Setup`, such as trials or confirm.

    Raises StudyConflictError, or UsageError for a file that is no recording.
    """
    if str(study).endswith(RECORDING_SUFFIX):
        found = recording.read(Path(study))
        if found.study is None:
            raise UsageError(f"{study}: a recording in which no study was begun")
        record, runs = found.study, found.runs
    else:
        store = Store(storage, create=False)
        try:
            record, runs = stored.load(store, str(study)).study, tuple(store.runs(str(study)))
        finally:
            store.close()
    return replay(record, runs, sampler=sampler, noise=noise, seed=seed, **changes)
