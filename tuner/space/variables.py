"""Which values of environment variables mean anything; the data is in variables.yaml."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml

from ..worker.protocol import VariableRule

FILE = Path(__file__).with_name("variables.yaml")
AT_START = ("LD_", "MALLOC_", "GLIBC_")  # variables that are read before Python runs any code


def why_refused(name: str, value: str) -> str:
    """Why this value means nothing to this variable; "" where it does, or nothing is known."""
    entry = _entries().get(name)
    if entry is None or re.fullmatch(_pattern(entry), value):
        return ""
    return f"{name} cannot be {value!r}; allowed: {allowed(name)}"


def allowed(name: str) -> str:
    """What such a variable may be, and what else does, for people."""
    entry = _entries()[name]
    values: str = entry.get("reads") or ", ".join(entry["allowed"])
    return f"{values} ({entry['otherwise']})" if "otherwise" in entry else values


def rules() -> dict[str, VariableRule]:
    """What an environment is compared with, in which no text is as good as no variable."""
    return {
        name: VariableRule(_pattern(entry) + ("" if "empty" in entry else "|"), allowed(name))
        for name, entry in _entries().items()
    }


def _pattern(entry: dict[str, Any]) -> str:
    pattern: str = entry.get("pattern") or "|".join(map(re.escape, entry["allowed"]))
    return pattern


@functools.cache
def _entries() -> dict[str, Any]:
    entries: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return entries
