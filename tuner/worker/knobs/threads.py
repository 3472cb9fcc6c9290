"""Intra-op threads of torch on the host."""

from __future__ import annotations

from typing import Any, Optional

from ..protocol import ReadBack
from ..workload import Workload

AGAIN = True


def apply(value: int, workload: Optional[Workload]) -> None:
    """Set the size of the intra-op pool, before its first use."""
    import torch

    torch.set_num_threads(value)


def read_back(workload: Optional[Workload], start: Any) -> ReadBack:
    """The engine's own answer where one executes the model, else torch's."""
    import torch

    forward = workload.forward if workload else None
    threads: Optional[ReadBack] = getattr(forward, "threads", None)
    if isinstance(threads, ReadBack):
        return threads
    return ReadBack(torch.get_num_threads(), True, "torch.get_num_threads()")
