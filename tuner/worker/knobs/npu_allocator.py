"""How torch_npu's caching allocator takes device memory: expandable segments or split limits.

PYTORCH_NPU_ALLOC_CONF is latched at the first allocation. Expandable segments need HDK 23.0.0 and
fall back with a warning where it lacks (torch_npu's documentation of the variable), so what counts
is the kind of the segments that were really made.
"""

from __future__ import annotations

import os
from typing import Any

from ..applied.lists import settings
from ..protocol import ReadBack
from ..workload import Workload

VARIABLE = "PYTORCH_NPU_ALLOC_CONF"
OTHER = "PYTORCH_ALLOC_CONF"  # torch's own; torch_npu of TorchNPU 26.2.0 on refuses both at once
# Value -> its setting, and those that it cannot be beside: torch_npu, NPUCachingAllocator.cpp.
EXPANDABLE, EXPANDABLE_OFF = "expandable_segments", "expandable_segments:False"
EXCLUDED = {
    "expandable": (EXPANDABLE, ("max_split_size_mb", "garbage_collection_threshold")),
    "split-250": ("max_split_size_mb", (EXPANDABLE,)),
}


def missing(value: str) -> str:
    """Where the user's own settings exclude ours; others are kept beside them."""
    if os.environ.get(OTHER):
        text = "{}={} is set in the environment: torch_npu refuses {} beside it"
        return text.format(OTHER, os.environ[OTHER], VARIABLE)
    own = settings(VARIABLE, os.environ.get(VARIABLE, ""))
    ours, others = EXCLUDED[value]
    clash = [own[name] for name in others if own.get(name, EXPANDABLE_OFF) != EXPANDABLE_OFF]
    if clash:
        text = "{}={} is set in the environment: {} cannot be beside it"
        return text.format(VARIABLE, ",".join(clash), ours)
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
    own = settings(VARIABLE, text)
    if own.get(EXPANDABLE) == "expandable_segments:True":
        return ReadBack("unset", bool(segments), how + ", though asked for")
    value = "split-250" if own.get("max_split_size_mb") == "max_split_size_mb:250" else "unset"
    return ReadBack(value, False, "{}={}".format(VARIABLE, text or "unset"))
