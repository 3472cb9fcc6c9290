"""A search space fitted to what is here, and to what the user asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .errors import UsageError
from .language import Message
from .policy import BATCH_SIZE, WARMUP
from .search_space import LeftOut, SearchSpace, Value


def narrow(space: SearchSpace, name: str, gone: Sequence[Value], why: Message) -> SearchSpace:
    """The space without some values of one knob, which are among what was left out."""
    knobs = tuple(
        replace(knob, domain=tuple(value for value in knob.domain if value not in gone))
        if knob.name == name
        else knob
        for knob in space.knobs
    )
    presets = {p: held for p, held in space.presets.items() if held.get(name) not in gone}
    lost = LeftOut(why, name, tuple(gone), tuple(p for p in space.presets if p not in presets))
    return replace(space, knobs=knobs, presets=presets, left_out=(*space.left_out, lost))


def why_not(space: SearchSpace, name: str, value: Value) -> str:
    """Why a value cannot be set in a narrowed space, for an error; "" where it can."""
    knob = space.knob(name)
    if knob is None:
        return f"there is no knob {name!r}"
    if value in knob.domain:
        return ""
    why = why_left_out(space, name, value)
    return f"{name}={value}: {why}" if why else f"{name} cannot be {value!r}"


def why_left_out(space: SearchSpace, name: str, value: Value) -> Message | None:
    """Why a value of the file is not to be had here; None for one that was not left out."""
    whys = (
        one.why for one in space.left_out if one.knob == name and str(value) in map(str, one.values)
    )
    return next(whys, None)


def pin(space: SearchSpace, name: str, text: str) -> SearchSpace:
    """Fix a knob to one value of its domain (or any positive count, for counts).

    A pinned batch size or warm-up count becomes the default, for the baseline too; any other pin
    binds the search only, because the baseline is the environment as it is.
    """
    knob = space.knob(name)
    if knob is None:
        known = ", ".join(k.name for k in space.knobs)
        raise UsageError(f"--set {name}={text}: there is no knob {name!r}; knobs here: {known}")
    value = next((value for value in knob.domain if str(value) == text), None)
    if value is None and name in (WARMUP, BATCH_SIZE) and text.isdigit() and int(text) > 0:
        value = int(text)
    if value is None:
        allowed = ", ".join(str(value) for value in knob.domain)
        raise UsageError(f"--set {name}={text}: not a value of {name} here; allowed: {allowed}")
    if name in (WARMUP, BATCH_SIZE):
        pinned = replace(knob, domain=(value,), default=value)
    else:
        pinned = replace(knob, pinned=value)
    presets = {
        preset: configuration
        for preset, configuration in space.presets.items()
        if configuration.get(name, value) == value
    }
    gone = tuple(preset for preset in space.presets if preset not in presets)
    why = Message("{name} is set to {value}", {"name": name, "value": value})
    lost = (LeftOut(why, name, presets=gone),) if gone else ()
    knobs = tuple(pinned if k.name == name else k for k in space.knobs)
    return replace(space, knobs=knobs, presets=presets, left_out=(*space.left_out, *lost))


def with_default_batch(space: SearchSpace, batch_size: int) -> SearchSpace:
    """The space with another default batch size, added to the domain where it is not in it."""
    knob = space.knob(BATCH_SIZE)
    if knob is None or knob.default == batch_size:
        return space
    domain = knob.domain if batch_size in knob.domain else (batch_size, *knob.domain)
    changed = replace(knob, default=batch_size, domain=domain)
    return replace(space, knobs=tuple(changed if k is knob else k for k in space.knobs))
