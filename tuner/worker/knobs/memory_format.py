"""Memory format of weights and image inputs."""

from __future__ import annotations

from typing import Any, List

from ..failure import one_line
from ..protocol import ReadBack
from ..tree import tensors_of
from ..workload import Workload


def apply(value: str, workload: Workload) -> None:
    """Convert 4-dimensional weights and inputs.

    Not by `Module.to`, which asks the same of 5-dimensional weights, and fails.
    """
    import torch

    memory_format = getattr(torch, value)

    def converted(tensor: Any) -> Any:
        return tensor.to(memory_format=memory_format) if tensor.dim() == 4 else tensor

    for tensor in [*workload.module.parameters(), *workload.module.buffers()]:
        tensor.data = converted(tensor.data)
    workload.map_inputs(converted)


def fails(value: str, workload: Workload) -> str:
    """What a call raises once everything is converted, such as of a view; "" where it works."""
    try:
        apply(value, workload)
        workload.call()
    except Exception as error:
        return one_line(error)
    return ""


def read_back(workload: Workload, start: Any) -> ReadBack:
    """The layout of the first 4-dimensional input, else weight, that is not both at once.

    Shapes such as 1xCx1x1 are.
    """
    inputs, weights = tensors_of([workload.args, workload.kwargs]), workload.module.parameters()
    both = False
    for name, tensors in (("input", inputs), ("weight", weights)):
        for tensor in tensors:
            if tensor.dim() == 4:
                layouts = _layouts(tensor)
                if len(layouts) == 1:
                    return ReadBack(layouts[0], True, "strides of the first {}".format(name))
                both = True
    if both:
        return ReadBack("contiguous", False, "no shape of the model tells the formats apart")
    return ReadBack("contiguous", True, "no input and no weight has 4 dimensions")


def _layouts(tensor: Any) -> List[str]:
    """The formats that its strides fit; neither counts as contiguous."""
    import torch

    formats = ("channels_last", "contiguous_format")
    fits = [f for f in formats if tensor.is_contiguous(memory_format=getattr(torch, f))]
    return [f.replace("_format", "") for f in fits] or ["contiguous"]
