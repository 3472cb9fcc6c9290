"""What the doctor found, for the terminal and as JSON. Returns renderables; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..diagnose.full import FullCheck
from ..diagnose.host import Finding
from ..evidence.figures import figures
from ..evidence.measured import Measured, ranked
from ..evidence.summary import Summary, summarize
from ..evidence.verdict import against_itself
from ..language import N_, say
from ..text import describe
from . import profile
from .cells import milliseconds, new_table, times

STYLES = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}


def findings(found: Sequence[Finding]) -> RenderableType:
    """One line for each finding, with what to do below it."""
    text = Text()
    for one in found:
        text.append(f"{one.state:<5}", style=STYLES[one.state])
        text.append(f"{one.name}: {say(one.seen)}\n")
        if one.todo:
            text.append(f"     {say(one.todo)}\n")
    text.rstrip()
    return text


def full(found: FullCheck) -> RenderableType:
    """Findings, A/A check, every configuration in calls and in blocks, the baseline's profile."""
    parts: list[RenderableType] = [findings(found.findings), Text()]
    summary = _summary(found)
    if summary is not None:
        label = say("emulated CANN, ") if _emulated(summary) else ""
        parts += [Text(label + self_check(summary)), Text(), configurations(summary), Text()]
    if found.profile is not None:
        parts += [profile.measured(found.profile), Text()]
    if found.stopped:
        parts.append(Text(say("not complete: {why}", why=found.stopped), style="bold yellow"))
    return Group(*parts, Text(found.made_by))


def as_json(found: FullCheck) -> dict[str, Any]:
    """The same as JSON types; the raw samples stay in the file."""
    summary = _summary(found)
    good = () if summary is None else ranked(summary.measured, summary.objective, None)
    rows = [{"configuration": one.configuration, **asdict(figures(one))} for one in good]
    comparison = None if summary is None else against_itself(_baseline_values(summary))
    return {
        "made_by": found.made_by,
        "stopped": asdict(found.stopped) if found.stopped else None,
        "checks": [asdict(one) for one in found.findings],
        "environment": {} if summary is None else summary.study.facts.fingerprint,
        "against_itself": None if comparison is None else asdict(comparison),
        "measured": rows,
        "profile": None if found.profile is None else found.profile.to_dict(),
    }


def _summary(found: FullCheck) -> Summary | None:
    kept = found.recording
    return None if kept.study is None else summarize(kept.study, kept.runs)


def _emulated(summary: Summary) -> bool:
    return bool(summary.study.facts.fingerprint.get("emulated_cann"))


def _baseline_values(summary: Summary) -> list[float]:
    """Of the runs of the baseline after its first: that one is alone in making the reference.

    The disturbed ones, too: what pairs of this host are like is the question.
    """
    runs = summary.baseline.runs if summary.baseline else ()
    found = [r.run.result.measurement for r in runs[1:]]
    return [summary.objective.of(m) for m in found if m is not None]


def self_check(summary: Summary) -> str:
    """The baseline against itself, in one line."""
    values = _baseline_values(summary)
    comparison = against_itself(values)
    interval = comparison.interval if comparison else None
    if comparison is None or interval is None:
        return say("A/A check: too few runs of the baseline, {count}", count=len(values))
    said = N_(
        "A/A check, the baseline against itself in {pairs} pairs: {verdict}, {low} to {high}; "
        "such pairs show a speed-up of {effect} 4 times of 5"
    )
    effect = times(interval.smallest_effect or 1.0)
    low, high, verdict = times(interval.low), times(interval.high), comparison.verdict
    return say(said, pairs=comparison.pairs, verdict=verdict, low=low, high=high, effect=effect)


def configurations(summary: Summary) -> Table:
    """Every configuration: a lone call, a call of a block, and the part in which it returns."""
    table = new_table(
        say("outcome"),
        say("latency"),
        say("in blocks"),
        say("dispatch"),
        say("first call"),
        say("speed-up"),
        say("configuration"),
    )
    good = ranked(summary.measured, summary.objective, None)
    for one in [*good, *(one for one in summary.measured if one not in good)]:
        table.add_row(*_row(summary, one))
    return table


def _row(summary: Summary, one: Measured) -> list[str]:
    configuration = describe(one.configuration)
    if one.value is None:
        return [one.outcome.value, "", "", "", "", "", configuration]
    seen, speedup = figures(one), summary.speedup(one)
    per_call_ms = 1000 * (one.batch_size or 1) / seen.throughput_per_s
    return [
        one.outcome.value,
        milliseconds(seen.latency_ms),
        milliseconds(per_call_ms),
        f"{seen.dispatch_share:.0%}",
        f"{seen.first_call_s:.3g} s",
        "" if speedup is None else times(speedup),
        configuration,
    ]
