"""A comparison, or a check, for the terminal, and their tables as rows. Prints nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ..deploy.check import Check
from ..deploy.compare import Change, ConfigurationChange, StudyComparison
from ..deploy.knob_changes import KnobChange
from ..deploy.remeasure import Remeasured
from ..evidence.environment import Difference
from ..language import N_, say
from ..policy import BATCH_SIZE
from ..text import EMULATED_CANN, command, describe, labelled
from .cells import Rows, table, with_interval

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
    "not comparable": N_("no verdict"),
}
CHECK_STYLES = {"kept": "bold green", "regression": "bold red", "unclear": "bold yellow"}
CHECK_SENTENCES = {
    "kept": N_("kept: {reason}"),
    "regression": N_("regression: {reason}"),
    "unclear": N_("no answer: {reason}"),
}
SHOWN_CONFIGURATIONS = 12


def comparison(result: StudyComparison, fresh: Remeasured | None) -> RenderableType:
    """Warnings, both studies, what changed, knobs, configurations, environment."""
    parts: list[RenderableType] = [Text(say(why), style="yellow") for why in result.warnings]
    if result.first.emulated_cann or result.second.emulated_cann:
        parts.append(Text(say(EMULATED_CANN)))
    parts += [table(studies(result)), Text(), table(changes(result, fresh))]
    parts += [Text(how_sure(result, fresh)), Text()]
    changed = knobs(result)
    parts.append(table(changed) if changed.rows else Text(say("no knob is known to have changed")))
    if result.configurations:
        parts += [Text(), table(configurations(result, SHOWN_CONFIGURATIONS))]
    if result.environment:
        parts += [Text(), table(environment(result))]
    return Group(*parts)


def studies(result: StudyComparison) -> Rows:
    """Either study's own verdict."""
    headers = (
        say("study"), say("begun"), say("measured"), say("verdict"), say("speed-up"),
        say("convolutions"), say("configuration"),
    )  # fmt: skip
    rows = [
        (
            side.study,
            side.begun,
            say("in turns") if side.in_turns else say("alone"),
            say(VERDICTS[side.verdict]),
            with_interval(side.speedup, side.interval),
            convolutions(side.convolutions),
            describe(side.configuration),
        )
        for side in (result.first, result.second)
    ]
    return Rows(headers, rows)


def convolutions(paths: tuple[str, str]) -> str:
    """`aclop → aclnn`, of baseline and best; nothing where none was seen."""
    return " → ".join(path or "?" for path in paths) if any(paths) else ""


def _change_headers(first: str) -> tuple[str, ...]:
    return first, say("first"), say("second"), say("speed-up"), say("verdict"), say("runs")


def changes(result: StudyComparison, fresh: Remeasured | None) -> Rows:
    """The second study against the first: what is compared, and how it came out."""
    compared = [(say("as they are"), result.baseline), (say("each at its best"), result.winner)]
    if fresh:
        compared += [
            (say("as they are, in turns"), fresh.baseline),
            (say("each at its best, in turns"), fresh.winner),
        ]
    rows = [
        (at_batch(name, change.batch_size), *change_cells(change, result.unit))
        for name, change in compared
        if change
    ]
    return Rows(_change_headers(say("second against first")), rows)


def at_batch(name: str, batch_size: int | None) -> str:
    """With the batch size where it is not 1."""
    return name if batch_size in (None, 1) else f"{name}, batch_size={batch_size}"


def change_cells(change: Change, unit: str) -> Iterator[str]:
    """Values, speed-up with its interval, verdict, number of runs."""
    result = change.comparison
    yield from (f"{value:.4g} {unit}" for value in change.values)
    yield with_interval(result.speedup, result.interval)
    verdict = say(VERDICTS[result.verdict])
    if not result.paired and result.verdict in ("faster", "slower", "same"):
        verdict = say("{verdict}, unless the host drifted", verdict=verdict)
    yield verdict
    pairs = say("{count} pairs", count=result.pairs)
    yield pairs if result.paired else "{}, {}".format(*result.runs)


def how_sure(result: StudyComparison, fresh: Remeasured | None) -> str:
    """What these intervals do not hold."""
    if fresh:
        return say("in turns: fresh runs of both, in pairs; the others are of different days")
    return say(
        "not paired: the studies began {first} and {second}; what the host drifted between is in "
        "every difference. In pairs, now: --remeasure",
        first=result.first.begun,
        second=result.second.begun,
    )


def knobs(result: StudyComparison) -> Rows:
    """The knobs that do something else now."""
    rows = [
        (f"{knob.name}={knob.value}", *knob_states(knob), say(knob.why) if knob.why else "")
        for knob in result.knobs
        if knob.changed
    ]
    return Rows((say("knob that changed"), say("first"), say("second"), say("why")), rows)


def knob_states(knob: KnobChange) -> Iterator[str]:
    """What it did in either study, with the interval."""
    for state, effect in zip((knob.before, knob.after), knob.effects, strict=True):
        interval = f" {with_interval(effect.speedup, effect)}" if effect else ""
        yield say(STATES[state]) + interval


def configurations(result: StudyComparison, most: int | None = None) -> Rows:
    """What both have measured, the best of the second study first."""
    rows = [
        (name_of(configuration), *change_cells(configuration.change, result.unit))
        for configuration in result.configurations[:most]
    ]
    left = len(result.configurations) - len(rows)
    note = say("and {count} more: --json shows all", count=left) if left else ""
    return Rows(_change_headers(say("both measured")), rows, note)


def name_of(configuration: ConfigurationChange) -> str:
    """The configuration in short, with its batch size where it is not 1."""
    size = configuration.batch_size
    return describe({**configuration.configuration, **({} if size is None else {BATCH_SIZE: size})})


def environment(result: StudyComparison) -> Rows:
    """The fingerprint's differences item by item."""
    headers = (say("environment"), say("first"), say("second"))
    return Rows(headers, _differences(result.environment))


def _differences(items: Sequence[Difference]) -> list[tuple[str, ...]]:
    return [(item.name, item.before or say("none"), item.after or say("none")) for item in items]


def check(result: Check) -> RenderableType:
    """The answer, promised beside seen, and how the environment differs."""
    sentence = say(CHECK_SENTENCES[result.answer], reason=result.reason)
    head = Text(labelled(sentence, result.emulated_cann), style=CHECK_STYLES[result.answer])
    parts: list[RenderableType] = [head]
    if result.promised and result.seen:
        text = N_("promised {promised}, seen {seen} ({pairs} pairs of fresh runs)")
        promised, seen = (
            with_interval(side.speedup, side.interval) for side in (result.promised, result.seen)
        )
        parts.append(Text(say(text, promised=promised, seen=seen, pairs=result.seen.pairs)))
    if result.environment:
        headers = (say("tuned elsewhere"), say("then"), say("now"))
        parts += [Text(), table(Rows(headers, _differences(result.environment)))]
    if result.study:
        parts += [
            Text(),
            Text(say("every trial: {command}", command=command("show", result.study))),
        ]
    return Group(*parts)
