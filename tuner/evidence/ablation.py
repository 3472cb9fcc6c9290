"""Why the winner is faster: one knob at a time back at the baseline's value; what to leave out.

Once the hold-out says "faster", fresh runs in blocks, each block in a new random order, measure the
winner and, for every knob that it sets, the winner without it. What was not shown to help is left
out, all of it at once, and what remains is measured in further blocks beside winner and baseline:
two knobs can each do the other's work, so that leaving out either costs nothing and both costs
everything. Where it does not hold, the left-out knob with the largest effect is put back.

Everything here is a function of the recorded runs, so that it goes on after a crash.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..language import Message
from ..policy import MIN_PAIRS, PRACTICAL_EFFECT
from ..runs.records import RecordedRun
from ..space.model import Configuration, Rule, Value
from ..worker.protocol import Outcome, Role
from .intervals import Interval, Verdict, interval_of, verdict
from .pairs import Step, baseline, log_speedups, runs_of, step_of
from .stats import median
from .summary import Measured, Summary, grouped, ranked
from .verdict import Judgement, judge

SHARE_AT_RISK = 0.1  # of the winner's gain, that a smaller configuration may lose at the very most


@dataclass(frozen=True)
class Comparison:
    """How many times better one configuration is than another: the median over blocks."""

    verdict: Verdict
    speedup: float
    interval: Interval
    blocks: int


@dataclass(frozen=True)
class KnobFinding:
    """What one knob does: the winner against the winner without it, in the same blocks.

    verdict: faster where the knob helps, same where it does nothing, slower where it harms, unclear
    where it was not shown to help; not confirmed, without figures, for the reason given.
    """

    knob: str
    value: Value
    verdict: Verdict
    speedup: float | None = None
    interval: Interval | None = None
    reason: Message | None = None


@dataclass(frozen=True)
class Minimal:
    """The winner without knobs that it does not need; `configuration` is what remains set."""

    configuration: Configuration
    dropped: tuple[str, ...]
    over_baseline: Comparison
    over_winner: Comparison


@dataclass(frozen=True)
class Stage:
    """Configurations that are measured together; it ends where fewer than `fewest` still run."""

    blocks: range
    sides: tuple[Configuration, ...]
    fewest: int


def next_step(summary: Summary, seed: int) -> Step | None:
    """The block that comes next; None when all is known, nothing was won, or it was not asked."""
    judged, total = _explained(summary), 0
    for stage in _stages(summary, judged.best.configuration) if judged else ():
        total += len(stage.blocks) * len(stage.sides)
        for block, order in _order(summary, stage, seed):
            if step := step_of(summary, Role.ABLATION, block, order, total, stage.sides[0]):
                return step
    return None


def findings(summary: Summary) -> tuple[KnobFinding, ...]:
    """Each knob of the winner, in the order of the space; empty as in `next_step`."""
    judged = _explained(summary)
    if judged is None:
        return ()
    changed = summary.space.changed(judged.best.configuration)
    return tuple(_finding(summary, judged, name, value) for name, value in changed.items())


def minimal(summary: Summary) -> Minimal | None:
    """The first smaller configuration that holds; None where there is none, or not yet."""
    judged = _explained(summary)
    if judged is None:
        return None
    won = judged.best.configuration
    held = (_held(summary, won, *candidate) for candidate in _candidates(summary, won))
    return next((one for one in held if one is not None), None)


def measured_as(summary: Summary, changed: Configuration) -> Measured:
    """The runs made here of the configuration that sets these knobs, at the winner's batch size."""
    one = {**baseline(summary), **changed}
    runs = [r for r in _recorded(summary) if summary.identity(r.configuration) == one]
    return grouped(one, runs, summary.objective, summary.disturbed)


def _explained(summary: Summary) -> Judgement | None:
    if not summary.study.setup.get("ablate"):
        return None
    judged = judge(summary)
    return judged if judged.verdict == "faster" else None


def _recorded(summary: Summary) -> list[RecordedRun]:
    return [
        recorded
        for recorded in summary.confirmation_runs
        if recorded.run.spec.role == Role.ABLATION
        and recorded.run.result.outcome != Outcome.ENVIRONMENT_ERROR
    ]


def _without(summary: Summary, won: Configuration, *names: str) -> Configuration:
    """The winner with these knobs as the baseline has them."""
    return {**won, **{name: baseline(summary)[name] for name in names}}


def _forbidden(summary: Summary, one: Configuration) -> Rule | None:
    """The rule that forbids this configuration."""
    space, full = summary.space, {**summary.space.baseline(), **one}
    return space.broken_rule(full) or space.broken_once_resolved(full, summary.resolved)


def _stages(summary: Summary, won: Configuration) -> Iterator[Stage]:
    """What is measured together, in turn; a later stage is a function of the runs before it."""
    names = list(summary.space.changed(won))
    variants = [_without(summary, won, name) for name in names] if len(names) > 1 else []
    allowed = [one for one in variants if not _forbidden(summary, one)]
    if allowed:  # of a single knob the hold-out has told all
        yield Stage(range(MIN_PAIRS), (won, *allowed), fewest=2)
    for blocks, dropped in _candidates(summary, won):
        sides = won, _without(summary, won, *dropped), baseline(summary)
        yield Stage(blocks, sides, fewest=3)
        if _held(summary, won, blocks, dropped):
            return


def _order(summary: Summary, stage: Stage, seed: int) -> Iterator[tuple[int, list[Configuration]]]:
    """Every block with its order; what failed in one is left out of the next ones."""
    sides = list(stage.sides)
    for block in stage.blocks:
        order = list(sides)
        random.Random(f"{seed}:{summary.trials_done}:ablation:{block}").shuffle(order)
        yield block, order
        sides = [one for one in sides if not _failed(summary, one, block)]
        if stage.sides[0] not in sides or len(sides) < stage.fewest:
            return


def _failed(summary: Summary, one: Configuration, block: int) -> str:
    """How it failed in this block; "" where it did not."""
    runs = runs_of(summary, one, Role.ABLATION, block)
    outcomes = (recorded.run.result.outcome for recorded in runs)
    return next((outcome.value for outcome in outcomes if outcome != Outcome.OK), "")


def _logs(summary: Summary, one: Configuration, other: Configuration, blocks: range) -> list[float]:
    """log(how many times better `one` is than `other`), for each block in which both ran well."""
    pairs = []
    for block in blocks:
        sides = [runs_of(summary, side, Role.ABLATION, block)[:1] for side in (one, other)]
        good = [r for side in sides for r in side if r.run.result.measurement is not None]
        if len(good) == 2:
            pairs.append((good[0], good[1]))
    return log_speedups(summary, pairs)


def _compare(logs: Sequence[float]) -> Comparison | None:
    interval = interval_of(logs)
    if interval is None:
        return None
    ruling = verdict(interval.low, interval.high)
    return Comparison(ruling, round(math.exp(median(logs)), 4), interval, len(logs))


def _finding(summary: Summary, judged: Judgement, name: str, value: Value) -> KnobFinding:
    won = judged.best.configuration
    if len(summary.space.changed(won)) == 1:
        speedup = round(judged.speedup, 4)
        return KnobFinding(name, value, judged.verdict, speedup, judged.interval)
    one = _without(summary, won, name)
    logs = _logs(summary, won, one, range(MIN_PAIRS))
    seen, why = _compare(logs), _why_not_measured(summary, one, len(logs))
    if why or seen is None:
        return KnobFinding(name, value, "not confirmed", reason=why)
    return KnobFinding(name, value, seen.verdict, seen.speedup, seen.interval)


def _why_not_measured(summary: Summary, one: Configuration, done: int) -> Message | None:
    """A rule forbids it, it fails, or blocks are missing; None for none of these."""
    if rule := _forbidden(summary, one):
        return rule.reason
    for block in range(MIN_PAIRS):
        if outcome := _failed(summary, one, block):
            return Message("without it: {outcome}", {"outcome": outcome})
    if done == MIN_PAIRS:
        return None
    return Message("{done} of {blocks} blocks were measured", {"done": done, "blocks": MIN_PAIRS})


def _candidates(summary: Summary, won: Configuration) -> Iterator[tuple[range, tuple[str, ...]]]:
    """(blocks, knobs to leave out), in turn: first all that were not shown to help.

    Then all but the one with the largest effect, all but the two, and so on.
    """
    found = findings(summary)
    idle = [one for one in found if one.verdict in ("same", "slower", "unclear")]
    idle.sort(key=lambda one: one.speedup or 0.0)
    for count in range(len(idle), 0, -1):
        dropped = tuple(one.knob for one in idle[:count])
        smaller = _without(summary, won, *dropped)
        if not summary.space.is_baseline(smaller) and not _forbidden(summary, smaller):
            begin = MIN_PAIRS * (1 + len(idle) - count)
            yield range(begin, begin + MIN_PAIRS), dropped


def _held(
    summary: Summary, won: Configuration, blocks: range, dropped: tuple[str, ...]
) -> Minimal | None:
    """The smaller configuration, where it beats the baseline and loses nothing to the winner."""
    smaller = _without(summary, won, *dropped)
    behind = _logs(summary, won, smaller, blocks)
    over_baseline = _compare(_logs(summary, smaller, baseline(summary), blocks))
    over_winner = _compare([-log for log in behind])
    if over_baseline is None or over_winner is None or not _keeps_limit(summary, smaller, blocks):
        return None
    noise = statistics.stdev(behind) / math.sqrt(len(behind))
    gain = math.log(over_baseline.speedup / over_winner.speedup)  # the winner's, in these blocks
    margin = max(PRACTICAL_EFFECT, SHARE_AT_RISK * gain)
    loses = median(behind) > PRACTICAL_EFFECT + noise
    loses = loses or math.log(over_winner.interval.low) < -margin
    if over_baseline.verdict != "faster" or loses:
        return None
    return Minimal(summary.space.changed(smaller), dropped, over_baseline, over_winner)


def _keeps_limit(summary: Summary, one: Configuration, blocks: range) -> bool:
    """Did it run well in each of its blocks, within the latency that is allowed?"""
    runs = [r for block in blocks for r in runs_of(summary, one, Role.ABLATION, block)]
    again = grouped(one, runs, summary.objective, summary.disturbed)
    return bool(ranked([again], summary.objective, summary.limit_ms))
