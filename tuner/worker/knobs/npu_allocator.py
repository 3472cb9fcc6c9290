"""How torch_npu's caching allocator takes device memory: expandable segments or split limits.

PYTORCH_NPU_ALLOC_CONF is latched at the first allocation. Expandable segments need HDK 23.0.0 and
fall back with a warning where it lacks (torch_npu's documentation of the variable), so what counts
is the kind of the segments that were really made.
"""

from __future__ import annotations

import os
from typing import Any

from ..protocol import ReadBack
from ..workload import Workload

VARIABLE = "PYTORCH_NPU_ALLOC_CONF"
OTHER = "PYTORCH_ALLOC_CONF"  # torch's own; torch_npu of TorchNPU 26.2.0 on refuses both at once


def missing(value: str) -> str:
    """Where the user's own settings would clash with ours or be lost."""
    for name in (VARIABLE, OTHER):
        if name in os.environ:
            return "{}={} is set in the environment: kept".format(name, os.environ[name])
    return ""


def read_back(workload: Workload, start: Any) -> ReadBack:
    """`expandable` by the segments of a snapshot; a split limit leaves no such trace."""
    import torch

    if not hasattr(torch.npu, "memory_snapshot"):
        return ReadBack("unset", False, "this torch_npu has no memory_snapshot()")
    segments = torch.npu.memory_snapshot()
    expandable = [bool(segment.get("is_expandable")) for segment in segments]
    how = "{} of {} segments are expandable".format(sum(expandable), len(expandable))
    if any(expandable):
        return ReadBack("expandable", True, how)
    text = os.environ.get(VARIABLE, "")
    if "expandable_segments:True" in text:
        return ReadBack("unset", bool(segments), how + ", though asked for")
    value = "split-250" if text == "max_split_size_mb:250" else "unset"
    return ReadBack(value, False, "{}={}".format(VARIABLE, text or "unset"))
