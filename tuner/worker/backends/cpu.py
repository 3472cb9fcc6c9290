"""PyTorch on the host's processor: every call is complete when it returns."""

from __future__ import annotations

from typing import Any, Dict, Optional, Tuple


def device_name(device: Optional[int]) -> str:
    """The torch device string."""
    return "cpu"


def synchronize() -> None:
    """Nothing is pending on the host."""


def peak_memory_bytes() -> Optional[int]:
    """Largest resident size of this process so far; None where the kernel does not say.

    Not getrusage(2): its ru_maxrss begins with that of whoever started the process.
    """
    with open("/proc/self/status", encoding="utf-8") as file:
        sizes = [line.split()[1] for line in file if line.startswith("VmHWM:")]
    return int(sizes[0]) * 1024 if sizes else None


def fingerprint() -> Dict[str, Any]:
    """Nothing beyond what every process says of its host."""
    return {}


def profiler() -> Tuple[Any, Any]:
    """The profiler's module, and the sets of activities to try in turn."""
    import torch.profiler

    return torch.profiler, [[torch.profiler.ProfilerActivity.CPU]]


def device_timer() -> None:
    """The host is the device: a call's time is its device time."""
