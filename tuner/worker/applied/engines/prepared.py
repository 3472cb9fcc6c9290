"""The end of an exported module: a model that is called through the engine above.

`prepare` calls it. Inputs and outputs may be nested in tuples, lists and mappings.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Callable

import torch
from torch.utils import _pytree as pytree

from .file import Flat, digest, exported
from .onnxruntime import SUFFIX, call, decides, export, load


def behind_engine(model: Any, inputs: Any, **options: Any) -> Callable[..., Any]:
    """The model, exported to a file beside this module where there is none of its content yet.

    inputs: a tuple, or a mapping of arguments by name. Raises TypeError for an input or an output
    that is no tensor.
    """
    named = isinstance(inputs, Mapping)
    args, kwargs = ((), dict(inputs)) if named else (tuple(inputs), {})
    tensors, structure = pytree.tree_flatten((args, kwargs))
    with torch.no_grad():
        outputs, output = pytree.tree_flatten(model(*args, **kwargs))
    for leaf in [*tensors, *outputs]:
        if not isinstance(leaf, torch.Tensor):
            raise TypeError("an engine takes and gives tensors, not {}".format(type(leaf)))

    def flat_call(*given: Any) -> Any:
        args, kwargs = pytree.tree_unflatten(list(given), structure)
        return pytree.tree_flatten(model(*args, **kwargs))[0]

    def forward(*args: Any, **kwargs: Any) -> Any:
        given = pytree.tree_flatten((args, kwargs))[0]
        return pytree.tree_unflatten(call(loaded, given), output)

    def make(path: str) -> None:
        export(Flat(model, flat_call), tensors, path)

    stem = os.path.splitext(os.path.abspath(__file__))[0]
    path = "{}-{}{}".format(stem, digest(model, tensors, *decides()), SUFFIX)
    loaded = load(exported(path, make), **options)
    return forward
