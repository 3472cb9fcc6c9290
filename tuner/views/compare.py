"""A comparison, or a check, for the terminal. Returns renderables; prints nothing."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..deploy.check import Check
from ..deploy.compare import Change, ConfigurationChange, StudyComparison
from ..deploy.knob_changes import KnobChange
from ..deploy.remeasure import Remeasured
from ..language import N_, say
from ..text import describe
from .cells import new_table, with_interval

STATES = {
    "helps": N_("helps"),
    "harms": N_("harms"),
    "inert": N_("no effect"),
    "unclear": N_("not known"),
    "unsupported": N_("cannot be set"),
    "default": N_("is the default here"),
    "not measured": N_("not known"),
}
VERDICTS = {
    "faster": N_("faster"),
    "slower": N_("slower"),
    "same": N_("same"),
    "unclear": N_("unclear"),
    "not confirmed": N_("not confirmed"),
}
CHECK_STYLES = {"kept": "bold green", "regression": "bold red", "unclear": "bold yellow"}
CHECK_SENTENCES = {
    "kept": N_("kept: {reason}"),
    "regression": N_("regression: {reason}"),
    "unclear": N_("no answer: {reason}"),
}
SHOWN_CONFIGURATIONS = 12


def comparison(found: StudyComparison, fresh: Remeasured | None) -> RenderableType:
    """Warnings, both studies, what changed, knobs, configurations, environment."""
    parts: list[RenderableType] = [Text(say(one), style="yellow") for one in found.warnings]
    if found.first.emulated_cann or found.second.emulated_cann:
        parts.append(Text(say("emulated CANN: no figure below is a device's")))
    parts += [studies(found), Text(), changes(found, fresh)]
    parts.append(Text(how_sure(found, fresh)))
    changed = [one for one in found.knobs if one.changed]
    parts += [Text(), knobs(changed) if changed else Text(say("no knob is known to have changed"))]
    if found.configurations:
        parts += [Text(), configurations(found)]
    if found.environment:
        parts += [Text(), environment(found)]
    return Group(*parts)


def studies(found: StudyComparison) -> Table:
    """Either study's own verdict."""
    table = new_table(
        say("study"),
        say("begun"),
        say("verdict"),
        say("speed-up"),
        say("convolutions"),
        say("configuration"),
    )
    for side in (found.first, found.second):
        speedup = with_interval(side.speedup, side.interval)
        table.add_row(
            side.study,
            side.begun,
            say(VERDICTS[side.verdict]),
            speedup,
            convolutions(side.convolutions),
            describe(side.configuration),
        )
    return table


def convolutions(paths: tuple[str, str]) -> str:
    """`aclop → aclnn`, of baseline and best; nothing where none was seen."""
    return " → ".join(path or "?" for path in paths) if any(paths) else ""


def changes(found: StudyComparison, fresh: Remeasured | None) -> Table:
    """The second study against the first."""
    table = new_table(
        say("second against first"),
        say("first"),
        say("second"),
        say("speed-up"),
        say("verdict"),
        say("runs"),
    )
    for row in change_rows(found, fresh):
        table.add_row(*row)
    return table


def change_rows(found: StudyComparison, fresh: Remeasured | None) -> Iterator[list[str]]:
    """What is compared, and how it came out."""
    rows = [(say("as they are"), found.baseline), (say("each at its best"), found.winner)]
    if fresh:
        rows += [
            (say("as they are, in turns"), fresh.baseline),
            (say("each at its best, in turns"), fresh.winner),
        ]
    for name, change in rows:
        if change:
            yield [at_batch(name, change.batch_size), *change_cells(change, found.unit)]


def at_batch(name: str, batch_size: int | None) -> str:
    """With the batch size where it is not 1."""
    return name if batch_size in (None, 1) else f"{name}, batch_size={batch_size}"


def change_cells(change: Change, unit: str) -> list[str]:
    """Values, speed-up with its interval, verdict, number of runs."""
    result = change.comparison
    speedup = with_interval(result.speedup, result.interval)
    before, after = (f"{value:.4g} {unit}" for value in change.values)
    runs = (
        say("{count} pairs", count=result.pairs) if result.paired else "{}, {}".format(*result.runs)
    )
    ruling = say(VERDICTS[result.verdict])
    if not result.paired and result.verdict != "unclear":
        ruling = say("{verdict}, unless the host drifted", verdict=ruling)
    return [before, after, speedup, ruling, runs]


def how_sure(found: StudyComparison, fresh: Remeasured | None) -> str:
    """What these intervals do not hold."""
    if fresh:
        return say("in turns: fresh runs of both, in pairs; the others are of different days")
    return say(
        "not paired: the studies began {first} and {second}; what the host drifted between is in "
        "every difference. In pairs, now: --remeasure",
        first=found.first.begun,
        second=found.second.begun,
    )


def knobs(changed: list[KnobChange]) -> Table:
    """The knobs that do something else now."""
    table = new_table(say("knob that changed"), say("first"), say("second"), say("why"))
    for one in changed:
        why = say(one.why) if one.why else ""
        table.add_row(f"{one.name}={one.value}", *knob_states(one), why)
    return table


def knob_states(one: KnobChange) -> Iterator[str]:
    """What it did in either study, with the interval."""
    for state, effect in zip((one.before, one.after), one.effects, strict=True):
        seen = f" {with_interval(effect.speedup, effect)}" if effect else ""
        yield say(STATES[state]) + seen


def configurations(found: StudyComparison) -> Table:
    """What both have measured, the best of the second study first."""
    table = new_table(
        say("both measured"),
        say("first"),
        say("second"),
        say("speed-up"),
        say("verdict"),
        say("runs"),
    )
    for one in found.configurations[:SHOWN_CONFIGURATIONS]:
        table.add_row(name_of(one), *change_cells(one.change, found.unit))
    left = len(found.configurations) - SHOWN_CONFIGURATIONS
    if left > 0:
        table.caption = say("and {count} more: --json shows all", count=left)
        table.caption_justify = "left"
    return table


def name_of(one: ConfigurationChange) -> str:
    """The configuration in short, with its batch size where it is not 1."""
    batch = {} if one.batch_size is None else {"batch_size": one.batch_size}
    return describe({**one.configuration, **batch})


def environment(found: StudyComparison) -> Table:
    """The fingerprint's differences item by item."""
    table = new_table(say("environment"), say("first"), say("second"))
    for one in found.environment:
        table.add_row(one.name, one.before or say("none"), one.after or say("none"))
    return table


def check(found: Check) -> RenderableType:
    """The answer, promised beside seen, and how the environment differs."""
    label = say("emulated CANN, ") if found.emulated_cann else ""
    head = label + say(CHECK_SENTENCES[found.answer], reason=found.reason)
    parts: list[RenderableType] = [Text(head, style=CHECK_STYLES[found.answer])]
    if found.promised and found.seen:
        said = N_("promised {promised}, seen {seen} ({pairs} pairs of fresh runs)")
        promised, seen = (
            with_interval(side.speedup, side.interval) for side in (found.promised, found.seen)
        )
        parts.append(Text(say(said, promised=promised, seen=seen, pairs=found.seen.pairs)))
    if found.environment:
        table = new_table(say("tuned elsewhere"), say("then"), say("now"))
        for one in found.environment:
            table.add_row(one.name, one.before or say("none"), one.after or say("none"))
        parts += [Text(), table]
    if found.study:
        parts += [Text(), Text(say("every trial: npu-tune show {name}", name=found.study))]
    return Group(*parts)
