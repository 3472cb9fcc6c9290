"""Whether tensors may take the device's private formats (NZ, 5HD).

Where they may, convolutions leave the aclnn path. The attribute of `torch_npu.npu.config` can only
be written; the option behind it can be read, and is empty until somebody sets it.
"""

from __future__ import annotations

from typing import Any, Optional

from ..protocol import ReadBack
from ..workload import Workload

OPTION = "ALLOW_INTERNAL_FORMAT"
STATES = {"enable": "on", "disable": "off"}


def apply(value: str, workload: Optional[Workload]) -> None:
    """Set it before the first operator: releases up to TorchNPU 7.1.0 latch what they see first."""
    import torch_npu

    torch_npu.npu.config.allow_internal_format = value == "on"


def read_back(workload: Workload, seen: Any) -> ReadBack:
    """The option, where it was set; its default depends on release and SoC and is not told."""
    import torch_npu

    try:
        held = torch_npu._C._npu_getOption(OPTION)
    except (AttributeError, RuntimeError):
        return ReadBack("unset", False, "this torch_npu does not tell the option")
    state = held.decode() if isinstance(held, bytes) else str(held or "")
    if state not in STATES:
        return ReadBack("unset", False, "never set; the default is not told")
    return ReadBack(STATES[state], True, "option {} of torch_npu".format(OPTION))
