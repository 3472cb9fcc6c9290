"""PyTorch on the host's processor: every call is complete when it returns."""

from __future__ import annotations

import resource
from typing import Any, Dict, Optional, Tuple


def missing() -> str:
    """Why this backend cannot be used here; "" where it can."""
    return ""


def device_name(device: Optional[int]) -> str:
    """The torch device string."""
    return "cpu"


def synchronize() -> None:
    """Nothing is pending on the host."""


def peak_memory_bytes() -> int:
    """Largest resident size of this process so far (ru_maxrss is in KiB on Linux, getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fingerprint() -> Dict[str, Any]:
    """Nothing beyond what every process says of its host."""
    return {}


def profiler() -> Tuple[Any, Any]:
    """The profiler's module, and the sets of activities to try in turn."""
    import torch.profiler

    return torch.profiler, [[torch.profiler.ProfilerActivity.CPU]]


def device_timer() -> None:
    """The host is the device: a call's time is its device time."""
