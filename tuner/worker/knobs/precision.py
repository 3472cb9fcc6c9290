"""The floating-point type of weights and inputs: float16 or bfloat16."""

from __future__ import annotations

from typing import Any

from ..protocol import ReadBack
from ..workload import Workload


def missing(value: str) -> str:
    """bfloat16 where the device does not compute in it."""
    if value != "bfloat16":
        return ""
    import torch_npu

    supported = getattr(torch_npu.npu, "is_bf16_supported", None)
    if supported is None:
        return "this torch_npu does not tell whether the device has bfloat16"
    return "" if supported() else "this device has no bfloat16"


def apply(value: str, workload: Workload) -> None:
    """Convert floating-point weights, buffers and inputs; integers stay."""
    import torch

    dtype = getattr(torch, value)
    workload.module.to(dtype)
    workload.map_inputs(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor)


def read_back(workload: Workload, start: Any) -> ReadBack:
    """The type that all floating-point parameters have, or `mixed`."""
    dtypes = {p.dtype for p in workload.module.parameters() if p.is_floating_point()}
    if not dtypes:
        return ReadBack("unset", False, "the model has no floating-point parameters")
    names = sorted(str(dtype).replace("torch.", "") for dtype in dtypes)
    return ReadBack(names[0] if len(names) == 1 else "mixed", True, "parameters' dtype")
