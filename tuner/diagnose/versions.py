"""Versions of CANN, its driver and TorchNPU, in one order for both of their schemes.

Old: 8.0.RC1.alpha003, 8.0.RC1, 8.0.0.alpha002, 8.0.0. New, from 8.5 on: 8.5.0-beta, 8.5.0.
An alpha comes before its release, release candidates before the release of their minor version.
"""

from __future__ import annotations

import re

PATTERN = re.compile(
    r"v?(?P<major>\d+)\.(?P<minor>\d+)\.(?:(?P<early>rc|t)(?P<candidate>\d+)|(?P<patch>\d+))"
    r"(?:[.-]?(?P<stage>alpha|beta|rc|b)?\.?(?P<number>\d+)?)?"
)
EARLY = {"t": -2, "rc": -1}
STAGES = {"alpha": -3, "beta": -2, "b": -2, "rc": -1, None: 0}

Key = tuple[int, int, int, int, int, int]


def key(text: str) -> Key:
    """A sort key. Raises ValueError for what is no such version."""
    match = PATTERN.fullmatch(text.strip().lower())
    if not match:
        raise ValueError(f"{text!r} is no version of CANN; versions read like 8.0.RC1 or 8.5.0")
    return (
        int(match["major"]),
        int(match["minor"]),
        EARLY[match["early"]] if match["early"] else int(match["patch"]),
        int(match["candidate"] or 0),
        STAGES[match["stage"]],
        int(match["number"] or 0),
    )


def at_least(text: str, needed: str) -> bool | None:
    """Is the version as new as `needed`? None where it cannot be read."""
    try:
        return key(text) >= key(needed)
    except ValueError:
        return None
