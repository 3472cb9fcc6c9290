"""Has the model a batch? It is asked: twice the inputs must give each row twice.

Then with other rows beside them: where rows are mixed by a mean or a maximum (attention over time,
points of a cloud), each row comes twice of twice the same, too.
"""

from __future__ import annotations

from typing import Any, List, Optional, Tuple

from .failure import one_line
from .output_check import Value, values_of
from .tree import leaves, map_tensors, tensors_of
from .workload import Workload, batch_of, other_inputs, resized

CLOSE = 1e-2  # of the largest: rows of another batch size are summed in another order
MIXED = 5e-2  # a dynamically quantised layer takes its range from all rows, and rounds by it
SAMPLE_DIMENSIONS = 3  # of an image or less: with more, each item of a list has a batch itself


def why_none(workload: Workload, dim: int) -> str:
    """Why a dimension of the inputs is no batch; "" where it is one.

    Called with gradients where the model needs them, without where not.
    """
    present = batch_of(workload.args, workload.kwargs, dim)
    if not any(True for _ in _sized(workload, dim)):
        return "no input has a dimension {}".format(dim)
    if _is_list_of_samples(workload):
        return "each item of the list is a sample of its own"
    args, kwargs = resized(workload.args, workload.kwargs, 2 * present, dim)
    said = "it could not be called: {}"
    try:
        once = values_of(workload.call())
        said = "it does not take twice the inputs: {}"
        twice = values_of(workload.forward(*args, **kwargs))
    except Exception as error:
        return said.format(one_line(error))
    why = _why_not_twice(once, twice, dim)
    return why or _why_mixed(once, workload, dim)


def _sized(workload: Workload, dim: int) -> Any:
    """The input tensors that have such a dimension."""
    for _, leaf in leaves([workload.args, workload.kwargs]):
        if getattr(leaf, "dim", None) is not None and leaf.dim() > dim:
            yield leaf


def _is_list_of_samples(workload: Workload) -> bool:
    """Are lists of images, of waveforms, all that it is given?"""
    given = [*workload.args, *workload.kwargs.values()]
    given = [argument for argument in given if tensors_of(argument)]
    sizes = [tensor.dim() for tensor in tensors_of(given)]
    lists = all(type(argument) is list for argument in given)
    return lists and max(sizes, default=0) <= SAMPLE_DIMENSIONS


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
    """Where the output has become twice as long: there, or wherever its own batch is."""
    if one.tensor.dim() != two.tensor.dim():
        return None
    places = range(one.tensor.dim())
    for along in sorted(places, key=lambda place: place != dim):
        wanted = list(one.tensor.shape)
        wanted[along] *= 2
        if list(two.tensor.shape) == wanted:
            return along
    return None


def _is_doubled(one: Value, two: Value, along: int) -> bool:
    import torch

    doubled = torch.cat([one.tensor, one.tensor], along)
    return _is_close(doubled, two.tensor, max(CLOSE, one.tolerance or 0.0))


def _is_close(wanted: Any, tensor: Any, close: float) -> bool:
    if not wanted.numel():
        return True
    difference = (tensor.double() - wanted.double()).abs()
    return float(difference.max()) <= close * float(wanted.abs().max())


def _why_mixed(once: List[Value], workload: Workload, dim: int) -> str:
    """Are the first rows other ones with other rows beside them than with themselves?"""
    try:
        args, kwargs = _beside_others(workload, dim)
        mixed = values_of(workload.forward(*args, **kwargs))
    except Exception:
        return ""  # other values are more than what is asked of it
    for one, two in zip(once, mixed):
        along = _grown_dimension(one, two, dim)
        if along is None:
            continue
        rows = two.tensor.narrow(along, 0, one.tensor.shape[along])
        if not _is_close(one.tensor, rows, max(MIXED, one.tolerance or 0.0)):
            return "rows depend on what is beside them"
    return ""


def _beside_others(workload: Workload, dim: int) -> Tuple[Any, Any]:
    """The inputs with rows of other values after their own."""
    import torch

    present = batch_of(workload.args, workload.kwargs, dim)
    others = iter(tensors_of(other_inputs(workload)))

    def with_others(tensor: Any) -> Any:
        other = next(others)
        if tensor.dim() <= dim or tensor.shape[dim] != present:
            return tensor
        return torch.cat([tensor, other], dim)

    mixed = map_tensors([workload.args, workload.kwargs], with_others)
    return mixed[0], mixed[1]
