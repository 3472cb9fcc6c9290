"""PyTorch on the host's processor: every call is complete when it returns."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple

from ..facts import Memory
from ..memory import host_free_bytes, host_peak_bytes


def device_name(device: Optional[int]) -> str:
    """The torch device string."""
    return "cpu"


def synchronize() -> None:
    """Nothing is pending on the host."""


def peak_memory_bytes() -> Optional[int]:
    """Largest resident size of this process so far; None where the kernel does not say."""
    return host_peak_bytes()


def memory() -> Memory:
    """The host's."""
    return Memory(host_peak_bytes(), host_free_bytes())


def fingerprint() -> Dict[str, Any]:
    """Nothing beyond what every process says of its host."""
    return {}


def profiler() -> Tuple[Any, Any]:
    """The profiler's module, and the sets of activities to try in turn."""
    import torch.profiler

    return torch.profiler, [[torch.profiler.ProfilerActivity.CPU]]


def device_timer() -> None:
    """The host is the device: a call's time is its device time."""
