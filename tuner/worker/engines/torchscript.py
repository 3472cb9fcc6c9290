"""TorchScript: traced, frozen, optimised for inference."""

from __future__ import annotations

import warnings
from typing import Any, Dict

import torch

from ..failure import unsupported
from ..workload import Workload


def missing(value: str) -> str:
    """Looked for, not guessed from a version."""
    has = hasattr(torch, "jit") and hasattr(torch.jit, "optimize_for_inference")
    return "" if has else "torch {} has no TorchScript".format(torch.__version__)


def apply(value: str, workload: Workload) -> None:
    """Trace it with the inputs; what a trace bakes in, the tracer's warnings tell in part."""
    module = workload.module
    if not isinstance(module, torch.jit.ScriptModule):
        module = _traced(workload)
    workload.forward = torch.jit.optimize_for_inference(torch.jit.freeze(module.eval()))


def _traced(workload: Workload) -> Any:
    inputs: Dict[str, Any] = {"example_inputs": workload.args}
    if workload.kwargs:
        inputs = {"example_kwarg_inputs": workload.kwargs}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")  # the model's module may have made them errors
        warnings.simplefilter("always", torch.jit.TracerWarning)
        try:
            module = torch.jit.trace(workload.module, check_trace=False, strict=False, **inputs)
        except Exception as error:  # tracing fails in as many ways as models can be written
            raise unsupported("torch.jit.trace: {}".format(str(error).strip().splitlines()[0]))
    workload.warnings += [
        str(w.message).partition(".")[0]
        for w in caught
        if issubclass(w.category, torch.jit.TracerWarning)
    ]
    return module
