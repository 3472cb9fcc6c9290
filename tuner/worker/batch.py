"""Has the model a batch? It is asked: twice the inputs must give each row twice."""

from __future__ import annotations

from typing import Any, List, Optional

from .failure import one_line
from .output_check import Value, values_of
from .tree import leaves
from .workload import Workload, batch_of, resized

CLOSE = 1e-2  # of the largest: rows of another batch size are summed in another order


def why_none(workload: Workload, dim: int) -> str:
    """Why a dimension of the inputs is no batch; "" where it is one.

    Called with gradients where the model needs them, without where not.
    """
    present = batch_of(workload.args, workload.kwargs, dim)
    if not any(True for _ in _sized(workload, dim)):
        return "no input has a dimension {}".format(dim)
    args, kwargs = resized(workload.args, workload.kwargs, 2 * present, dim)
    said = "it could not be called: {}"
    try:
        once = values_of(workload.call())
        said = "it does not take twice the inputs: {}"
        twice = values_of(workload.forward(*args, **kwargs))
    except Exception as error:
        return said.format(one_line(error))
    return _why_not_twice(once, twice, dim)


def _sized(workload: Workload, dim: int) -> Any:
    """The input tensors that have such a dimension."""
    for _, leaf in leaves([workload.args, workload.kwargs]):
        if getattr(leaf, "dim", None) is not None and leaf.dim() > dim:
            yield leaf


def _why_not_twice(once: List[Value], twice: List[Value], dim: int) -> str:
    """Rows of the one must be there two times in the other; what has none may stay as it is."""
    if len(once) != len(twice):
        return "twice the inputs give {} outputs instead of {}".format(len(twice), len(once))
    grown = False
    for one, two in zip(once, twice):
        if one.tensor.shape == two.tensor.shape:
            continue
        along = _grown_dimension(one, two, dim)
        if along is None:
            shapes = tuple(one.tensor.shape), tuple(two.tensor.shape)
            return "twice the inputs turn an output of {} into one of {}".format(*shapes)
        if not _is_doubled(one, two, along):
            return "rows of twice the inputs are not what they are alone"
        grown = True
    return "" if grown else "twice the inputs give no more outputs"


def _grown_dimension(one: Value, two: Value, dim: int) -> Optional[int]:
    """Where the output has become twice as long: there, or in its first dimension."""
    for along in (dim, 0):
        if one.tensor.dim() != two.tensor.dim() or one.tensor.dim() <= along:
            continue
        wanted = list(one.tensor.shape)
        wanted[along] *= 2
        if list(two.tensor.shape) == wanted:
            return along
    return None


def _is_doubled(one: Value, two: Value, along: int) -> bool:
    import torch

    doubled = torch.cat([one.tensor, one.tensor], along).double()
    difference = (two.tensor.double() - doubled).abs()
    largest = float(doubled.abs().max()) if doubled.numel() else 0.0
    close = max(CLOSE, one.tolerance or 0.0)
    return not doubled.numel() or float(difference.max()) <= close * largest
