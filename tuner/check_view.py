"""What a check has found, for the terminal. Returns renderables; prints nothing."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from .cells import new_table, with_interval
from .check import Check
from .language import N_, say

STYLES = {"kept": "bold green", "regression": "bold red", "unclear": "bold yellow"}
SENTENCES = {
    "kept": N_("kept: {reason}"),
    "regression": N_("regression: {reason}"),
    "unclear": N_("no answer: {reason}"),
}


def check(found: Check) -> RenderableType:
    """The answer, promised beside seen, and how the environment differs."""
    label = say("emulated CANN, ") if found.emulated_cann else ""
    head = label + say(SENTENCES[found.answer], reason=found.reason)
    parts: list[RenderableType] = [Text(head, style=STYLES[found.answer])]
    if found.seen:
        said = N_("promised {promised}, seen {seen} ({pairs} pairs of fresh runs)")
        both = {"promised": with_interval(*found.promised), "seen": with_interval(*found.seen)}
        parts.append(Text(say(said, pairs=found.pairs, **both)))
    if found.environment:
        table = new_table(say("tuned elsewhere"), say("then"), say("now"))
        for one in found.environment:
            table.add_row(one.name, one.before or say("none"), one.after or say("none"))
        parts += [Text(), table]
    if found.study:
        parts += [Text(), Text(say("every trial: npu-tune show {name}", name=found.study))]
    return Group(*parts)
