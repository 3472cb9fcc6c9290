"""Reads the level of torch_npu's task queue back.

TASK_QUEUE_ENABLE is latched at the first use of the device. torch_npu 2.13 can be asked for the
level; older ones are seen by what they do: at level 1 and 2 a thread named acl_thread launches.
Level 2 exists from TorchNPU 6.0.RC3 on; before, any value but 0 is level 1.
"""

from __future__ import annotations

import glob
import mmap
import os
from typing import Any

from ..files import text_of
from ..protocol import ReadBack
from ..workload import Workload

VARIABLE = "TASK_QUEUE_ENABLE"
DEFAULT = 1  # without the variable, on every SoC
REFUSAL = b"TASK_QUEUE_ENABLE should be 0, 1 or 2"  # in every torch_npu that knows level 2


def missing(value: Any) -> str:
    """Level 2 where this torch_npu does not know it."""
    if int(value) == 2 and not knows_level_2():
        return "this torch_npu has no level 2: TorchNPU 6.0.RC3 is the first that has"
    return ""


def knows_level_2() -> bool:
    """Does the library hold the message with which it refuses a level above 2?"""
    import torch_npu

    path = os.path.join(os.path.dirname(torch_npu.__file__), "lib", "libtorch_npu.so")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
        return text.find(REFUSAL) >= 0


def read_back(workload: Workload, seen: Any) -> ReadBack:
    """torch_npu's own answer, or what its threads show."""
    import torch_npu

    if hasattr(torch_npu.npu, "get_task_queue_enable"):
        level = int(torch_npu.npu.get_task_queue_enable())
        return ReadBack(level, True, "torch_npu.npu.get_task_queue_enable()")
    if not any(text_of(path) == "acl_thread" for path in glob.glob("/proc/self/task/*/comm")):
        return ReadBack(0, True, "no thread of torch_npu's launches operators")
    asked = os.environ.get(VARIABLE, str(DEFAULT))
    level = int(asked) if asked in ("1", "2") else DEFAULT
    if level == 2 and not knows_level_2():
        level = 1
    return ReadBack(level, True, "acl_thread launches operators; {}={}".format(VARIABLE, asked))
