"""bfloat16 on a processor: weights and inputs converted once, or by autocast where it pays."""

from __future__ import annotations

from typing import Any

from ..files import text_of
from ..protocol import ReadBack
from ..workload import Workload
from . import precision

CPUINFO = "/proc/cpuinfo"
INSTRUCTIONS = ("avx512_bf16", "amx_bf16", "bf16")  # x86's two, Arm's
AUTOCAST = "bfloat16-autocast"


def missing(value: str) -> str:
    """Without instructions for it torch converts to float32 and back around each operator."""
    flags = set(text_of(CPUINFO).split())
    if flags & set(INSTRUCTIONS):
        return ""
    return "this processor has no bfloat16 ({})".format(", ".join(INSTRUCTIONS))


def apply(value: str, workload: Workload) -> None:
    """Convert the workload, or have its module called under autocast."""
    if value != AUTOCAST:
        precision.apply(value, workload)
        return
    import torch

    class Autocast(torch.nn.Module):  # type: ignore[misc]
        is_ours = True

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, *args: Any, **kwargs: Any) -> Any:  # a trace must not see the cache
            with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
                return self.model(*args, **kwargs)

    workload.module = workload.forward = Autocast(workload.module).eval()


def read_back(workload: Workload, start: Any) -> ReadBack:
    """Autocast by the type of the module, else the type of the parameters."""
    if getattr(workload.module, "is_ours", False) is True:
        return ReadBack(AUTOCAST, True, "type of the called module")
    return precision.read_back(workload, start)
