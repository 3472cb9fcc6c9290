"""Nested values: what tensors they hold, and the same with other tensors.

Looking never rebuilds, converts or calls anything of the user's objects. What is rebuilt is made of
what Python and torch define: tuples, lists, mappings, dataclasses, packed sequences. Everything
else stays whole.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any, Callable, Iterator, List, Tuple

NUMBERS = (bool, int, float, complex)


def leaves(value: Any, name: str = "") -> Iterator[Tuple[str, Any]]:
    """Every tensor, array and number with the place where it is, such as `[0].boxes`, in order."""
    if _is_tensor(value) or is_array(value) or isinstance(value, NUMBERS):
        yield name, value
        return
    for place, item in items(value):
        yield from leaves(item, name + place)


def tensors_of(value: Any) -> List[Any]:
    """Every tensor, in order."""
    return [leaf for _, leaf in leaves(value) if _is_tensor(leaf)]


def map_tensors(value: Any, function: Callable[[Any], Any]) -> Any:
    """The same value with `function(tensor)` for every tensor."""

    def again(item: Any) -> Any:
        return map_tensors(item, function)

    if _is_tensor(value):
        return function(value)
    if _is_packed(value):
        return _packed(value, again)
    if isinstance(value, tuple) and hasattr(value, "_make"):
        return type(value)._make(again(item) for item in value)
    if type(value) in (tuple, list):
        return type(value)(again(item) for item in value)
    if isinstance(value, Mapping) or (is_record(value) and not isinstance(value, type)):
        return _replaced(value, again)
    return value


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def is_array(value: Any) -> bool:
    """Of NumPy, which need not be there."""
    return type(value).__module__ == "numpy" and hasattr(value, "dtype")


def _is_packed(value: Any) -> bool:
    import torch

    return isinstance(value, torch.nn.utils.rnn.PackedSequence)


def is_record(value: Any) -> bool:
    return dataclasses.is_dataclass(value)


def items(value: Any) -> List[Tuple[str, Any]]:
    """What a value holds, each with its place in it; nothing for what is none of ours to open."""
    if isinstance(value, Mapping):
        return [("[{!r}]".format(key), value[key]) for key in value]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return [("." + field, item) for field, item in zip(value._fields, value)]
    if isinstance(value, (list, tuple)):
        return [("[{}]".format(place), item) for place, item in enumerate(value)]
    if is_record(value) and not isinstance(value, type):
        fields = [field.name for field in dataclasses.fields(value)]
        return [("." + field, getattr(value, field)) for field in fields if hasattr(value, field)]
    return []


def _packed(value: Any, again: Callable[[Any], Any]) -> Any:
    """A packed sequence, whose constructor checks; its batch sizes belong to the host."""
    return type(value)(
        again(value.data),
        value.batch_sizes,
        again(value.sorted_indices),
        again(value.unsorted_indices),
    )


def _replaced(value: Any, again: Callable[[Any], Any]) -> Any:
    """A shallow copy with other items; whole where it does not let itself be copied or changed."""
    try:
        changed = copy.copy(value)
        if isinstance(value, Mapping):
            for key in value:
                changed[key] = again(value[key])
        else:
            for field in dataclasses.fields(value):
                if hasattr(value, field.name):
                    object.__setattr__(changed, field.name, again(getattr(value, field.name)))
    except (TypeError, AttributeError):
        return value
    return changed
