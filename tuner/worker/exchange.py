"""How the messages of the protocol become JSON types and files, for both sides."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
from typing import (
    Any,
    BinaryIO,
    Dict,
    Iterator,
    Type,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from .protocol import FORMAT_VERSION, TrialResult, TrialSpec

Kind = TypeVar("Kind", TrialSpec, TrialResult)


def to_dict(message: Any) -> Dict[str, Any]:
    """Make JSON types of a `TrialSpec`, a `TrialResult` or one of their parts."""
    return dataclasses.asdict(message)


def from_dict(kind: Type[Kind], data: Dict[str, Any]) -> Kind:
    """Reverse `to_dict`. Raises ValueError for another format version."""
    if data.get("format_version") != FORMAT_VERSION:
        raise ValueError(
            "{} has format version {!r}, this worker speaks {}".format(
                kind.__name__, data.get("format_version"), FORMAT_VERSION
            )
        )
    message: Kind = build(kind, data)
    return message


def build(kind: Any, value: Any) -> Any:
    """Make a value of the type that a field is annotated with, from JSON types."""
    origin, parts = get_origin(kind), get_args(kind)
    if value is None or kind is Any:
        return value
    if origin is Union:  # Optional
        return build(parts[0], value)
    if origin is list:
        return value if parts[0] is int else [build(parts[0], item) for item in value]
    if origin is dict:
        return {key: build(parts[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        kinds = _field_types(kind)
        return kind(**{name: build(kinds[name], item) for name, item in value.items()})
    return kind(value)


@functools.lru_cache(maxsize=None)
def _field_types(kind: Any) -> Dict[str, Any]:
    return get_type_hints(kind)


def write(message: Any, path: str) -> None:
    """Write a message as JSON, atomically."""
    with replacing(path) as file:
        file.write(json.dumps(to_dict(message)).encode())


@contextlib.contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file beside `path` that takes its place when it is written: nobody ever sees a part.

    Where writing it fails, what was there stays.
    """
    folder, name = os.path.split(path)
    beside = os.path.join(folder, ".{}.{}".format(name, os.getpid()))
    try:
        with open(beside, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(beside)
        raise


def read(kind: Type[Kind], path: str) -> Kind:
    """Read what `write` wrote. Raises OSError or ValueError."""
    with open(path, encoding="utf-8") as file:
        return from_dict(kind, json.load(file))
