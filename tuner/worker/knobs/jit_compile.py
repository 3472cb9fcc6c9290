"""Whether operators are compiled on line for each shape, or prebuilt kernels are used."""

from __future__ import annotations

from typing import Any, Optional

from ..protocol import ReadBack
from ..workload import Workload


def compiles(value: str) -> bool:
    """Are operators compiled when they are first called?"""
    return value == "on"


def apply(value: str, workload: Optional[Workload]) -> None:
    """Set it on the main thread before any operator: other threads latch what they see first."""
    import torch_npu

    torch_npu.npu.set_compile_mode(jit_compile=value == "on")


def read_back(workload: Workload, start: Any) -> ReadBack:
    """torch_npu's own answer."""
    import torch_npu

    off = bool(torch_npu.npu.is_jit_compile_false())
    return ReadBack("off" if off else "on", True, "torch_npu.npu.is_jit_compile_false()")
