"""How things are called in a line of text: configurations, durations, commands."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from .language import N_, Message, say
from .policy import BATCH_SIZE, WARMUP
from .worker.protocol import UNSET

HIDDEN = "***"  # stands for a password
EMULATED_CANN = N_("emulated CANN: no figure below is a device's")

_storage = ""


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


def keep_in(url: str) -> None:
    """The database that commands name from now on, as it may be printed; "" for the default."""
    global _storage
    _storage = url


def command(*words: str) -> Message:
    """A command to type, for the database in use."""
    storage = ["--storage", _storage] if _storage else []
    line = shlex.join(["npu-tune", *words, *storage])
    if HIDDEN in _storage:
        text = N_("{command} (type the password in the place of ***)")
        return Message(text, {"command": line})
    return Message(line)


def resume_command(name: str, *more: str) -> Message:
    """The command that continues a study, with more options."""
    return command("--resume", "--study", name, *more)
