"""The noise of a host, for the terminal. Returns renderables; prints nothing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from ..language import N_, say
from ..study.noise import HostNoise
from ..text import EMULATED_CANN, command, labelled
from .result import floor_lines


def noise(result: HostNoise) -> RenderableType:
    """What the host moved by, what is left in ratios, what can be shown."""
    moved, shown = floor_lines(result.floor)
    style = "bold yellow" if result.exit_code else "bold"
    parts: list[RenderableType] = [Text(labelled(moved, result.emulated_cann), style=style)]
    if result.emulated_cann:
        parts.append(Text(say(EMULATED_CANN)))
    text = N_("measured in turns: {pairs} heats of two fresh runs of the baseline")
    if result.alone is not None:
        text = N_("measured alone, {pairs} pairs of one run after the other: {why}")
    parts.append(Text(shown))
    parts.append(Text(say(text, pairs=result.floor.values, why=result.alone or "")))
    every = command("show", result.study, "--trial", "0")
    parts += [Text(), Text(say("every run: {command}", command=every))]
    return Group(*parts)
