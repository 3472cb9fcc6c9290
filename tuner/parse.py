"""Values of options: read from text (ValueError says how one reads), and told from nonsense."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from .worker.protocol import InputSpec

DTYPES = (
    "float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


def shape_and_dtype(text: str) -> InputSpec:
    """`1x3x224x224[:dtype]` -> InputSpec."""
    shape, _, dtype = text.partition(":")
    dtype = dtype or "float32"
    if not re.fullmatch(r"\d+(x\d+)*", shape) or "0" in shape.split("x"):
        raise ValueError("the shape reads like 1x3x224x224, optionally :dtype")
    if dtype not in DTYPES:
        raise ValueError(f"no dtype {dtype!r}; allowed: {', '.join(DTYPES)}")
    return InputSpec([int(size) for size in shape.split("x")], dtype)


def texts(value: str | Iterable[str]) -> tuple[str, ...]:
    """One text, or several."""
    return (value,) if isinstance(value, str) else tuple(value)


def processors(text: str) -> tuple[int, ...]:
    """`0-3,6` -> (0, 1, 2, 3, 6). Refuses processors that this host lacks."""
    cpus: set[int] = set()
    usable = os.sched_getaffinity(0)
    beyond = max(usable) + 1  # the first that is surely not there: no list is longer
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part.strip())
        if not match:
            raise ValueError("a list reads like 0-3,6")
        first, last = int(match[1]), int(match[2] or match[1])
        cpus.update(range(min(first, beyond), min(last, beyond) + 1))
    if not cpus or not cpus <= usable:
        raise ValueError(f"usable on this host: {','.join(map(str, sorted(usable)))}")
    return tuple(sorted(cpus))


def size_bytes(text: str) -> int:
    """`4GiB`, `512M`, `1000000` -> bytes."""
    match = re.fullmatch(r"([0-9]{1,19}(?:\.[0-9]+)?)\s*([kmgt]?)(i?b)?", text.strip().lower())
    if not match or not float(match[1]):
        raise ValueError("a size reads like 4GiB or 512MiB")
    return int(float(match[1]) * UNITS[match[2]])


def share(text: str) -> float:
    """`2%` or `0.02` -> 0.02."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    if not match:
        raise ValueError("reads like 2%")
    return float(match[1]) / (100 if match[2] else 1)


def minutes_s(text: str) -> float:
    """`30` -> 1800 s."""
    try:
        return 60 * float(text)
    except ValueError as error:
        raise ValueError("minutes read like 30 or 0.5") from error


def batch_dim(value: object) -> str:
    """`auto`, `none`, or a number from 0."""
    text = str(value)
    if not re.fullmatch(r"auto|none|\d{1,2}", text):
        raise ValueError("reads auto, none, or the number of a dimension, from 0")
    return text


def function(text: str) -> str:
    """`file.py:name` or `package.module:name`; "" stays."""
    place, _, name = text.rpartition(":")
    if text and not (place and name.isidentifier()):
        raise ValueError("reads FILE.py:FUNCTION or PACKAGE.MODULE:FUNCTION")
    return text


def pin(text: str) -> tuple[str, str]:
    """`KNOB=VALUE` -> (knob, value)."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ValueError("reads KNOB=VALUE, for example threads=1")
    return name, value


def absolute(path: str) -> str:
    """As seen from where the user stands; "" stays."""
    return str(Path.cwd() / path) if path else ""


def whole(low: int, high: float = math.inf) -> Callable[[float], bool]:
    """Is it a whole number from one to the other?"""
    return lambda n: isinstance(n, int) and not isinstance(n, bool) and low <= n <= high


def is_time(n: float) -> bool:
    """Is it above 0, and a number that stays finite? nan fails every comparison."""
    return 0 < n <= sys.float_info.max
