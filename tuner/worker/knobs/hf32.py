"""Which operators may compute float32 in HF32, the matrix unit's shorter float: conv, conv+matmul.

torch_npu's default is convolutions only; the getters resolve that default themselves
(`torch_npu/npu/npu_config.py`, `_allowHF32Conv` and `_allowHF32Matmul`).
"""

from __future__ import annotations

from typing import Any, Optional

from ..protocol import ReadBack
from ..workload import Workload

SWITCHES = ("conv", "matmul")


def missing(value: str) -> str:
    """Both switches must be there."""
    import torch_npu

    for name in SWITCHES:
        if not hasattr(torch_npu.npu, name):
            return "this torch_npu has no torch_npu.npu.{}.allow_hf32".format(name)
    return ""


def apply(value: str, workload: Optional[Workload]) -> None:
    """Set both, before the first operator."""
    import torch_npu

    for name in SWITCHES:
        getattr(torch_npu.npu, name).allow_hf32 = name in value.split("+")


def read_back(workload: Workload, start: Any) -> ReadBack:
    """torch_npu's own answer."""
    import torch_npu

    names = [name for name in SWITCHES if getattr(torch_npu.npu, name).allow_hf32]
    return ReadBack("+".join(names) or "none", True, "torch_npu.npu.{conv,matmul}.allow_hf32")
