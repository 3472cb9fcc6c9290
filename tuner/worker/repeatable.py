"""Does the model give the same twice? Asked before anything is tuned; what differs has a name."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
from typing import Any, List, Optional, Tuple

from . import output_check
from .exchange import replacing
from .failure import unsupported
from .judge import Judge
from .process_settings import own_filters
from .tree import leaves, map_tensors, tensors_of
from .workload import Workload

IN_PLACE = (
    "the model changes its input in place, so that the next call sees another one: have its "
    "forward begin with a copy, such as x = x.clone(), or dict(x) of a dict"
)
RANDOM = "the model's output is random: two calls in one process differ"
STATE = (
    "the model keeps state from call to call, or draws random numbers that no seed sets: the same "
    "input gives another output"
)
WITHOUT_GRADIENTS = ("does not require grad", "does not have a grad_fn")


def seed(number: int) -> None:
    """Every generator that a model or its inputs may ask; the hash seed is the launcher's."""
    import torch

    torch.manual_seed(number)
    random.seed(number)
    with contextlib.suppress(ImportError):  # not every environment has it
        importlib.import_module("numpy").random.seed(number % 2**32)


def examine(workload: Workload, number: int, judge: Optional[Judge] = None) -> Tuple[bool, str]:
    """(are gradients needed, why outputs cannot be compared or ""), by a few calls.

    judge: of the user, instead of a tolerance. Raises RunError for a model that changes its input,
    and whatever a call raises.
    """
    import torch

    kept = judge.kept if judge else output_check.values_of
    is_like = judge.check if judge else output_check.check

    def same(first: Any) -> bool:
        return is_like(workload.call(), first).status != "failed"

    names, before = _names(workload), [tensor.clone() for tensor in _on_host(workload)]
    gradients = False
    try:
        with torch.no_grad():
            first: Any = kept(workload.call())
    except RuntimeError as error:
        if not any(text in str(error) for text in WITHOUT_GRADIENTS):
            raise
        gradients = True
    with torch.set_grad_enabled(gradients):
        if gradients:
            first = kept(workload.call())
        after = zip(before, _on_host(workload))
        if names != _names(workload) or any(_differ(*pair) for pair in after):
            raise unsupported(IN_PLACE)
        if same(first):
            return gradients, ""
        seed(number)
        first = kept(workload.call())
        seed(number)
        return gradients, RANDOM if same(first) else STATE


def _inputs(workload: Workload) -> List[Any]:
    return tensors_of([workload.args, workload.kwargs])


def _names(workload: Workload) -> List[str]:
    return [name for name, _ in leaves([workload.args, workload.kwargs])]


def _on_host(workload: Workload) -> List[Any]:
    return [tensor.detach().to("cpu") for tensor in _inputs(workload)]


def _differ(before: Any, after: Any) -> bool:
    import torch

    same = before.shape == after.shape and torch.equal(before, after)
    return not same and not bool(torch.isnan(before).any() if before.is_floating_point() else False)


@own_filters()
def share_inputs(workload: Workload, path: str) -> None:
    """Write the input tensors for all runs of the study; what is there already is kept."""
    import torch

    if path and not os.path.exists(path):
        with replacing(path) as file:
            torch.save(_on_host(workload), file)


@own_filters()
def take_inputs(workload: Workload, path: str) -> None:
    """Take the shared tensors, where they are those of this model."""
    import torch

    if not os.path.exists(path):
        return
    shared = torch.load(path, map_location="cpu", weights_only=True)
    shapes = [tensor.shape for tensor in _inputs(workload)]
    if [tensor.shape for tensor in shared] == shapes:
        given = iter(shared)
        workload.args, workload.kwargs = map_tensors(
            (workload.args, workload.kwargs), lambda _: next(given)
        )
