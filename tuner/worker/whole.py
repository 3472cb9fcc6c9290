"""An output as its model returned it, kept in a file that holds tensors and plain values only.

A pickle would run code when it is read. So types are kept by name, and made again where the output
that is beside it now has the same; a mapping or a tuple of another type comes back as a plain one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Dict, Iterator, List, Tuple

from .tree import is_array, is_record, items

PLAIN = (type(None), bool, int, float, str, bytes)


def kept(value: Any) -> List[Any]:
    """What `torch.save` takes and `torch.load(weights_only=True)` gives back.

    Raises TypeError with the type that cannot be kept.
    """
    import torch

    if isinstance(value, torch.Tensor):
        return ["tensor", value.detach().to("cpu").clone()]
    if is_array(value):
        return ["array", torch.as_tensor(value, device="cpu").clone()]
    if isinstance(value, complex):
        return ["complex", [value.real, value.imag]]
    if type(value) in PLAIN:
        return ["value", value]
    if isinstance(value, Mapping):
        return ["mapping", _name(value), [[kept(key), kept(value[key])] for key in value]]
    if isinstance(value, (tuple, list)):
        kind = "list" if isinstance(value, list) else "tuple"
        return [kind, _name(value), [kept(item) for item in value]]
    if is_record(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value) if hasattr(value, f.name)]
        return ["record", _name(value), [[name, kept(getattr(value, name))] for name in names]]
    raise TypeError(type(value).__name__)


def again(stored: List[Any], beside: Any) -> Any:
    """The value anew, its tensors its own. beside: an output of the same model, for its types."""
    return _made(stored, dict(_types(beside)))


def _name(value: Any) -> str:
    return "{}.{}".format(type(value).__module__, type(value).__qualname__)


def _types(value: Any) -> Iterator[Tuple[str, type]]:
    """Every type of container in it, by name."""
    parts = items(value)
    if parts:
        yield _name(value), type(value)
    for _, part in parts:
        yield from _types(part)


def _made(stored: List[Any], types: Dict[str, type]) -> Any:
    kind, content = stored[0], stored[-1]
    type_ = types.get(stored[1]) if len(stored) > 2 else None
    if kind == "tensor":
        return content.clone()
    if kind == "array":
        return content.clone().numpy()
    if kind == "complex":
        return complex(*content)
    if kind == "value":
        return content
    if kind in ("list", "tuple"):
        parts = [_made(item, types) for item in content]
        if type_ is not None and hasattr(type_, "_make"):
            return type_._make(parts)
        return parts if kind == "list" else tuple(parts)
    if kind == "mapping":
        return _mapping([(_made(key, types), _made(item, types)) for key, item in content], type_)
    fields = {name: _made(item, types) for name, item in content}
    if type_ is None:
        return fields
    record: Any = object.__new__(type_)  # its constructor may want other arguments
    for name, item in fields.items():
        object.__setattr__(record, name, item)
    return record


def _mapping(pairs: List[Tuple[Any, Any]], type_: Any) -> Any:
    try:
        made = (type_ or dict).__new__(type_ or dict)
        for key, item in pairs:
            made[key] = item
    except (TypeError, AttributeError):  # it does not let itself be changed
        return dict(pairs)
    return made
