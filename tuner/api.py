"""The library: what the command does, as typed objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from . import session
from .objectives import OBJECTIVES
from .progress import Progress
from .result import Result
from .result import result as result_of
from .setup import DEFAULT_STORAGE, Setup, parse_input
from .store import Store


def tune(
    model: str,
    *,
    trials: int = 40,
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
    ablate: bool = False,
    seed: int = 0,
    timeout_s: float | None = None,
    memory_limit_bytes: int | None = None,
    cpus: Sequence[int] = (),
    device: int | None = None,
    python: str = "",
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
        tolerance=tolerance,
        allow_lossy=allow_lossy,
        confirm=str(confirm),
        ablate=ablate,
        folder=str(Path.cwd()),
    ).check()
    for text in asked.inputs:
        parse_input(text)
    say = on_progress or (lambda _: None)
    store = Store(storage)
    try:
        name = study or session.new_name(store, asked)
        watch = Progress(OBJECTIVES[objective], say)
        on_wait = say if wait else None
        finished = session.tune(asked, store, name, watch, lambda: False, say, on_wait=on_wait)
        return finished.result
    finally:
        store.close()


def load_result(study: str, storage: str = DEFAULT_STORAGE) -> Result:
    """A stored study, judged by the rules of this version. Raises StudyConflictError."""
    store = Store(storage)
    try:
        return result_of(session.load(store, study))
    finally:
        store.close()
