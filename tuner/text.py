"""How things are called in a line of text: configurations, durations, commands."""

from __future__ import annotations

from collections.abc import Mapping

from .language import N_, say
from .policy import BATCH_SIZE, WARMUP
from .worker.protocol import UNSET

EMULATED_CANN = N_("emulated CANN: no figure below is a device's")


def labelled(text: str, emulated: bool) -> str:
    """The text, marked where its figures are no device's."""
    return say("emulated CANN, ") + text if emulated else text


def describe(configuration: Mapping[str, object]) -> str:
    """The knobs that are set, in short."""
    shown = [
        f"{name}={value}"
        for name, value in configuration.items()
        if value != UNSET and name not in (WARMUP, BATCH_SIZE)
    ]
    batch = configuration.get(BATCH_SIZE, 1)
    if batch != 1:
        shown.append(f"batch_size={batch}")
    return " ".join(shown) or say("defaults")


def duration(seconds: float) -> str:
    """`45 s`, `3 min`, `1 h 5 min`."""
    if seconds < 90:
        return say("{s:.0f} s", s=seconds)
    minutes = round(seconds / 60)
    if minutes < 60:
        return say("{min} min", min=minutes)
    return say("{h} h {min} min", h=minutes // 60, min=minutes % 60)


def resume_command(name: str, more: str = "") -> str:
    """The command that continues a study, with more options. No name of a study needs quotes."""
    return f"npu-tune --resume --study {name} {more}".rstrip()
