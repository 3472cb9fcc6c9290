"""Memory format of weights and image inputs."""

from __future__ import annotations

from typing import Any

from ..protocol import ReadBack
from ..workload import Workload


def apply(value: str, workload: Workload) -> None:
    """Convert 4-dimensional weights and inputs."""
    import torch

    memory_format = getattr(torch, value)
    workload.module.to(memory_format=memory_format)
    workload.map_inputs(
        lambda tensor: tensor.to(memory_format=memory_format) if tensor.dim() == 4 else tensor
    )


def read_back(workload: Workload, start: Any) -> ReadBack:
    """The layout of the first 4-dimensional input; shapes such as 1xCx1x1 are both at once."""
    import torch

    tensors = [
        tensor for arg in workload.args for tensor in [arg] if isinstance(tensor, torch.Tensor)
    ]
    for tensor in tensors + list(workload.kwargs.values()):
        if isinstance(tensor, torch.Tensor) and tensor.dim() == 4:
            channels_last = tensor.is_contiguous(memory_format=torch.channels_last)
            contiguous = tensor.is_contiguous()
            if channels_last and contiguous:
                return ReadBack("contiguous", False, "the input's shape fits both formats")
            return ReadBack(
                "channels_last" if channels_last else "contiguous", True, "input strides"
            )
    return ReadBack("contiguous", False, "the model takes no 4-dimensional input")
