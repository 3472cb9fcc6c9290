"""Environment variables that are lists: what a knob sets is added to what the user has there."""

from __future__ import annotations

import re
from typing import Dict, List, Mapping

PRELOAD = "LD_PRELOAD"
# Variable -> what stands between two settings, and between a setting and its value. Source:
# torch's and torch_npu's "Memory management", jemalloc(3), glibc's "Tunables".
SETTINGS = {
    "PYTORCH_NPU_ALLOC_CONF": (",", ":"),
    "PYTORCH_ALLOC_CONF": (",", ":"),
    "MALLOC_CONF": (",", ":"),
    "GLIBC_TUNABLES": (":", "="),
}


def users(environment: Mapping[str, str]) -> Dict[str, str]:
    """The lists that an environment has."""
    return {name: environment[name] for name in (PRELOAD, *SETTINGS) if environment.get(name)}


def added(name: str, ours: str, theirs: str) -> str:
    """Ours and, where the variable is a list, the user's own beside it; of a setting ours wins."""
    if name == PRELOAD:
        first = paths(ours)
        return ":".join([*first, *(path for path in paths(theirs) if path not in first)])
    if name not in SETTINGS:
        return ours
    kept = settings(name, theirs)
    for key in settings(name, ours):
        kept.pop(key, None)
    return SETTINGS[name][0].join([*kept.values(), ours])


def holds(name: str, text: str, ours: str) -> bool:
    """Has a variable's text all that we would set? Of a list the order does not matter."""
    if name == PRELOAD:
        return set(paths(ours)) <= set(paths(text))
    if name not in SETTINGS:
        return text == ours
    there = settings(name, text)
    return all(there.get(key) == item for key, item in settings(name, ours).items())


def paths(text: str) -> List[str]:
    """Of libraries to preload: behind colons or blanks (ld.so(8))."""
    return [path for path in re.split(r"[:\s]+", text) if path]


def settings(name: str, text: str) -> Dict[str, str]:
    """Key -> the whole setting, such as `max_split_size_mb:250`; a value may be in brackets."""
    between, equals = SETTINGS[name]
    items = re.split(re.escape(between) + r"(?![^\[]*\])", text)
    stripped = [item.strip() for item in items]
    return {item.partition(equals)[0]: item for item in stripped if item}
