"""What can be done here? Answers the controller's questions before a study; measures nothing."""

from __future__ import annotations

import importlib
import importlib.util
import os
from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

from . import chip, weights
from .applied.libraries import find_library
from .build import load, workload_of
from .failure import one_line
from .protocol import ProbeFacts, ProbeRequest, TrialSpec
from .workload import batch_of, tensors_of


def choose_backend(name: str) -> Tuple[str, str]:
    """`auto` -> (backend, why); a named backend -> (itself, why it is missing or "")."""
    from .backends import cpu, npu

    if name != "auto":
        return name, (npu if name == "npu" else cpu).missing()
    why = npu.missing()
    return ("cpu", why) if why else ("npu", "torch_npu finds a device")


def locate(name: str, device: Optional[int]) -> Tuple[str, Dict[str, Any]]:
    """The backend that `choose_backend` will most likely choose, and the chip that the device is.

    Imports no torch: that would disturb whoever measures on it now.
    """
    identity = chip.identity(device or 0, ask_cann=False)
    if name != "auto":
        return name, identity
    there = importlib.util.find_spec("torch_npu") and identity["source"]
    return "npu" if there else "cpu", identity


def with_model(facts: ProbeFacts, spec: TrialSpec) -> ProbeFacts:
    """Build the model once, share its weights, and add what its inputs look like."""
    loaded = load(spec)
    workload = workload_of(loaded, spec)
    if os.path.exists(spec.weights_path):  # a resumed study keeps the weights that it began with
        weights.load(loaded.module, spec.weights_path)
    elif not loaded.repeatable and spec.model.weights is None:
        if loaded.random_weights:
            weights.calibrate(workload)
        weights.save(loaded.module, spec.weights_path)
    inputs = [
        "x".join(str(size) for size in tensor.shape) + ":" + str(tensor.dtype).replace("torch.", "")
        for tensor in tensors_of([workload.args, workload.kwargs])
    ]
    return replace(
        facts,
        batch_size=batch_of(workload.args, workload.kwargs),
        inputs=inputs,
        parameters=sum(parameter.numel() for parameter in loaded.module.parameters()),
    )


def with_knobs(facts: ProbeFacts, request: ProbeRequest) -> ProbeFacts:
    """Add which values cannot be used and why, and where the wanted libraries lie."""
    missing: Dict[str, Dict[str, str]] = {}
    for handler, values in request.values.items():
        module = importlib.import_module("..knobs." + handler, __name__)
        if hasattr(module, "missing"):
            missing[handler] = {str(value): _missing(module, value) for value in values}
    return replace(
        facts,
        missing=missing,
        libraries={name: find_library(name) for name in request.libraries},
        preload=os.environ.get("LD_PRELOAD", ""),
    )


def _missing(module: Any, value: Any) -> str:
    try:
        return str(module.missing(value))
    except Exception as error:  # a probe that fails is a value that is not there
        return one_line(error)
