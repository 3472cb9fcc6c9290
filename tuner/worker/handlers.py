"""What the modules of `knobs/` do for a run's knobs, each found by its name."""

from __future__ import annotations

import importlib
import os
from typing import Any, Dict, List, Optional

from .protocol import UNSET, KnobSetting, ReadBack
from .workload import Workload


def states_at_start(knobs: List[KnobSetting]) -> Dict[str, Any]:
    """What must be seen before torch is there, by handler: its read-back wants it later."""
    states = {}
    for handler in sorted({knob.handler for knob in knobs if knob.handler}):
        module = _module(handler)
        if hasattr(module, "at_start"):
            states[handler] = module.at_start()
    return states


def apply(knobs: List[KnobSetting], stage: str, workload: Optional[Workload]) -> None:
    """Set every knob of that stage that is not left alone."""
    for knob in knobs:
        if knob.handler and knob.apply == stage and knob.value != UNSET:
            _module(knob.handler).apply(knob.value, workload)


def settable_again(knobs: List[KnobSetting], states: Dict[str, Any]) -> Dict[str, Any]:
    """What the knobs are now that may be set again once the model is built, by name."""
    return {
        knob.name: _module(knob.handler).read_back(None, states.get(knob.handler)).value
        for knob in knobs
        if knob.value != UNSET and knob.handler and getattr(_module(knob.handler), "AGAIN", False)
    }


def set_again(
    knobs: List[KnobSetting], before: Dict[str, Any], states: Dict[str, Any]
) -> List[str]:
    """Set those again that are not what they were before the model was built; their names."""
    now = settable_again(knobs, states)
    changed = [knob for knob in knobs if knob.name in now and now[knob.name] != before[knob.name]]
    for knob in changed:
        _module(knob.handler).apply(knob.value, None)
    return [knob.name for knob in changed]


def compile_in_first_call(knobs: List[KnobSetting]) -> bool:
    """Does the first call compile what one of them says?"""
    for knob in knobs:
        compiles = getattr(_module(knob.handler), "compiles", None) if knob.handler else None
        if compiles is not None and knob.value != UNSET and compiles(knob.value):
            return True
    return False


def keeps_inputs(knobs: List[KnobSetting]) -> bool:
    """May one of them have kept what it saw of the first inputs, such as a branch taken?"""
    return any(
        knob.value != UNSET and getattr(_module(knob.handler), "KEEPS_INPUTS", False)
        for knob in knobs
        if knob.handler
    )


def read_back(
    knobs: List[KnobSetting], workload: Workload, states: Dict[str, Any]
) -> Dict[str, ReadBack]:
    """What each knob is, after it was applied."""
    return {knob.name: _read_back_of(knob, workload, states) for knob in knobs}


def _read_back_of(knob: KnobSetting, workload: Workload, states: Dict[str, Any]) -> ReadBack:
    module = _module(knob.handler) if knob.handler else None
    if module is not None and hasattr(module, "read_back"):
        back: ReadBack = module.read_back(workload, states.get(knob.handler))
        return back
    if knob.variables:
        values = {name: os.environ.get(name, UNSET) for name in knob.variables}
        return ReadBack(str(values), False, "in the environment; its effect was not seen")
    return ReadBack(knob.value, knob.apply in ("input", "measurement"), "as asked")


def _module(name: str) -> Any:
    return importlib.import_module("..knobs." + name, __name__)
