"""Which values of environment variables mean anything; the data is in variables.yaml."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("variables.yaml")
AT_START = ("LD_", "MALLOC_", "GLIBC_")  # variables that are read before Python runs any code


def why_refused(name: str, value: str) -> str:
    """Why this value means nothing to this variable; "" where it does, or nothing is known."""
    known = _known().get(name)
    if known is None or re.fullmatch(_pattern(known), value):
        return ""
    allowed = known.get("reads") or ", ".join(known["allowed"])
    otherwise = f" ({known['otherwise']})" if "otherwise" in known else ""
    return f"{name} cannot be {value!r}; allowed: {allowed}{otherwise}"


def _pattern(known: dict[str, Any]) -> str:
    pattern: str = known.get("pattern") or "|".join(map(re.escape, known["allowed"]))
    return pattern


@functools.cache
def _known() -> dict[str, Any]:
    known: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return known
