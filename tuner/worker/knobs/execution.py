"""How the model is executed: eager, or by one of the engines."""

from __future__ import annotations

import importlib
from typing import Any

from ..protocol import ReadBack
from ..workload import Workload

KEEPS_INPUTS = True  # a trace keeps the way that a branch went, a frozen graph its constants


def missing(value: str) -> str:
    """The engine's own answer."""
    return str(_engine(value).missing(value))


def compiles(value: str) -> bool:
    """Does the first call compile it?"""
    engine = _engine(value)
    return hasattr(engine, "compiles") and bool(engine.compiles(value))


def apply(value: str, workload: Workload) -> None:
    """Replace the workload's forward. The transform itself may happen in the first call."""
    _engine(value).apply(value, workload)


def read_back(workload: Workload, start: Any) -> ReadBack:
    """What kind of object is called, and whether it does what it was made for."""
    import torch

    from ..engines import inductor

    forward, own = workload.forward, workload.forward is workload.module
    back = getattr(forward, "back", None)
    if isinstance(back, ReadBack):  # of an engine
        return back
    if isinstance(forward, torch.jit.ScriptModule) and not own:
        return ReadBack("torchscript", True, "type of the called module")
    if own and type(forward).__name__ != "OptimizedModule":
        return ReadBack("eager", True, "type of the called module")
    return inductor.read_back(workload)


def _engine(value: str) -> Any:
    return importlib.import_module("...engines." + value.partition("-")[0], __name__)
