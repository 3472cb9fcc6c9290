"""What the doctor found, for the terminal. Returns renderables; prints nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from ..diagnose.full import FullCheck
from ..diagnose.host import Finding
from ..evidence.figures import figures
from ..evidence.measured import Measured
from ..evidence.summary import Summary
from ..language import N_, say
from ..text import describe, labelled
from . import profile
from .cells import Rows, milliseconds, table, times
from .studies import is_emulated

STYLES = {"OK": "green", "WARN": "yellow", "FAIL": "bold red"}


def findings(checks: Sequence[Finding]) -> RenderableType:
    """One line for each finding, with what to do below it."""
    text = Text()
    for finding in checks:
        text.append(f"{finding.state:<5}", style=STYLES[finding.state])
        text.append(f"{finding.name}: {say(finding.seen)}\n")
        if finding.todo:
            text.append(f"     {say(finding.todo)}\n")
    text.rstrip()
    return text


def full(check: FullCheck) -> RenderableType:
    """Findings, A/A check, every configuration in calls and in blocks, the baseline's profile."""
    parts: list[RenderableType] = [findings(check.findings), Text()]
    if check.summary is not None:
        line = labelled(self_check(check), is_emulated(check.summary.study))
        parts += [Text(line), Text(), table(configurations(check, check.summary)), Text()]
    if check.profile is not None:
        parts += [profile.body(check.profile), Text()]
    if check.stopped:
        parts.append(Text(say("not complete: {why}", why=check.stopped), style="bold yellow"))
    return Group(*parts, Text(check.made_by))


def self_check(check: FullCheck) -> str:
    """The baseline against itself, in one line."""
    runs, comparison = len(check.baseline_values), check.against_itself
    interval = comparison.interval if comparison else None
    if comparison is None or interval is None:
        return say("A/A check: too few runs of the baseline, {count}", count=runs)
    text = N_(
        "A/A check, the baseline against itself in {pairs} pairs: {verdict}, {low} to {high}; "
        "such pairs show a speed-up of {effect} 4 times of 5"
    )
    effect = times(interval.smallest_effect or 1.0)
    low, high, verdict = times(interval.low), times(interval.high), comparison.verdict
    return say(text, pairs=comparison.pairs, verdict=verdict, low=low, high=high, effect=effect)


def configurations(check: FullCheck, summary: Summary) -> Rows:
    """Every configuration: a lone call, a call of a block, and the part in which it returns."""
    headers = (
        say("outcome"), say("latency"), say("in blocks"), say("dispatch"), say("first call"),
        say("speed-up"), say("configuration"),
    )  # fmt: skip
    rest = [measured for measured in summary.measured if measured not in check.good]
    return Rows(headers, [_row(summary, measured) for measured in [*check.good, *rest]])


def _row(summary: Summary, measured: Measured) -> tuple[str, ...]:
    outcome, configuration = measured.outcome.value, describe(measured.configuration)
    if measured.value is None:
        return outcome, "", "", "", "", "", configuration
    medians, speedup = figures(measured), summary.speedup(measured)
    per_call_ms = 1000 * (measured.batch_size or 1) / medians.throughput_per_s
    return (
        outcome,
        milliseconds(medians.latency_ms),
        milliseconds(per_call_ms),
        f"{medians.dispatch_share:.0%}",
        f"{medians.first_call_s:.3g} s",
        "" if speedup is None else times(speedup),
        configuration,
    )
