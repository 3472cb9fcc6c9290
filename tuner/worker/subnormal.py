"""Does a model compute with subnormal numbers? On a CPU those take up to a hundred times longer.

Nothing is timed, and nothing is hooked into the user's module: torch shows the result of every
operator of one call.
"""

from __future__ import annotations

import traceback
from typing import Any, Tuple

from .tree import tensors_of
from .workload import Workload

LEAST_SHARE = 0.001  # of a tensor: fewer cost nothing that can be seen


def found(workload: Workload) -> Tuple[str, float]:
    """(where most of a tensor's values are subnormal, their share); ("", 0.0) for nowhere.

    Where: weights, inputs, or the name of an operator for its result.
    """
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    most = ("", 0.0)

    def look(where: str, value: Any) -> None:
        nonlocal most
        for tensor in tensors_of(value):
            share = _share(tensor)
            if share > max(most[1], LEAST_SHARE):
                most = (where, round(share, 4))

    def dispatch(_: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        look(str(func.overloadpacket), result)
        return result

    looking = type("Looking", (TorchDispatchMode,), {"__torch_dispatch__": dispatch})
    try:
        with torch.no_grad():
            look("weights", [*workload.module.parameters(), *workload.module.buffers()])
            look("inputs", [workload.args, workload.kwargs])
        with looking():
            workload.call()
    except Exception:
        traceback.print_exc()  # of what it does not see there is nothing to say
    return most


def _share(tensor: Any) -> float:
    import torch

    plain = tensor.layout == torch.strided and tensor.dtype in (torch.float32, torch.float64)
    if not plain or tensor.device.type != "cpu" or not tensor.numel():
        return 0.0
    tensor = tensor.detach()
    tiny = torch.finfo(tensor.dtype).tiny
    subnormal = (tensor != 0) & (tensor.abs() < tiny)
    return int(subnormal.sum()) / int(tensor.numel())
