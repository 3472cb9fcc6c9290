"""Whether tensors may take the device's private formats (NZ, 5HD).

Where they may, convolutions leave the aclnn path. The attribute of `torch_npu.npu.config` can only
be written; the option behind it can be read, and is empty until somebody sets it. Its default
depends on release and SoC, so the witness is what a cast to a private format gives.
"""

from __future__ import annotations

from typing import Any, Optional

from ..protocol import ReadBack
from ..workload import Workload

OPTION = "ALLOW_INTERNAL_FORMAT"
FRACTAL_NZ = 29  # a private format; torch_npu.npu_format_cast takes its number
BASE_FORMATS = ("NCHW", "ND", "NHWC", "0", "1", "2")  # by name, or by number in older releases
STATES = {"enable": "on", "disable": "off"}


def apply(value: str, workload: Optional[Workload]) -> None:
    """Set it before the first operator: releases up to TorchNPU 7.1.0 latch what they see first."""
    import torch_npu

    torch_npu.npu.config.allow_internal_format = value == "on"


def read_back(workload: Workload, start: Any) -> ReadBack:
    """Did a cast to a private format give one? Where that cannot be tried, the option."""
    import torch
    import torch_npu

    try:
        tensor = torch.zeros(16, 16, dtype=torch.float16, device="npu")
        cast = torch_npu.get_npu_format(torch_npu.npu_format_cast(tensor, FRACTAL_NZ))
        torch.npu.synchronize()
        name = str(cast).rpartition(".")[2]
        how = "a cast to FRACTAL_NZ gave format {}".format(name)
        return ReadBack("off" if name in BASE_FORMATS else "on", True, how)
    except (AttributeError, RuntimeError):
        return _option()


def _option() -> ReadBack:
    import torch_npu

    try:
        option = torch_npu._C._npu_getOption(OPTION)
    except (AttributeError, RuntimeError):
        return ReadBack("unset", False, "this torch_npu does not tell the option")
    state = option.decode() if isinstance(option, bytes) else str(option or "")
    if state not in STATES:
        return ReadBack("unset", False, "never set; the default is not told")
    return ReadBack(STATES[state], True, "option {} of torch_npu".format(OPTION))
