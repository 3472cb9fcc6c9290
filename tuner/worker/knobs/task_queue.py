"""Reads the level of torch_npu's task queue back.

TASK_QUEUE_ENABLE is latched at the first use of the device. torch_npu 2.13 can be asked for the
level; older ones are seen by what they do: at level 1 and 2 a thread named acl_thread launches.
Level 2 exists from TorchNPU 6.0.RC3 on; before, any value but 0 is level 1.
"""

from __future__ import annotations

import glob
import os
from typing import Any

from ..backends.npu import library_holds
from ..files import text_of
from ..protocol import ReadBack
from ..workload import Workload

VARIABLE = "TASK_QUEUE_ENABLE"
DEFAULT = 1  # without the variable, on every SoC
REFUSAL = b"TASK_QUEUE_ENABLE should be 0, 1 or 2"  # in every torch_npu that knows level 2


def missing(value: Any) -> str:
    """Level 2 where this torch_npu does not know it."""
    if int(value) == 2 and not library_holds(REFUSAL):
        return "this torch_npu has no level 2: TorchNPU 6.0.RC3 is the first that has"
    return ""


def read_back(workload: Workload, start: Any) -> ReadBack:
    """torch_npu's own answer, or what its threads show."""
    import torch_npu

    if hasattr(torch_npu.npu, "get_task_queue_enable"):
        level = int(torch_npu.npu.get_task_queue_enable())
        return ReadBack(level, True, "torch_npu.npu.get_task_queue_enable()")
    if not any(text_of(path) == "acl_thread" for path in glob.glob("/proc/self/task/*/comm")):
        return ReadBack(0, True, "no thread of torch_npu's launches operators")
    text = os.environ.get(VARIABLE, str(DEFAULT))
    level = 2 if text == "2" and library_holds(REFUSAL) else 1
    return ReadBack(level, True, "acl_thread launches operators; {}={}".format(VARIABLE, text))
