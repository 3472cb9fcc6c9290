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
from collections.abc import Iterator
from dataclasses import dataclass

from ..language import Message
from ..policy import MIN_PAIRS, PRACTICAL_EFFECT
from ..space.model import Configuration, Rule, Value
from ..worker.protocol import Role
from .intervals import Comparison, Verdict, comparison_of
from .measured import Measured, grouped, ranked
from .pairs import Step, baseline, block_pair, log_speedups, step_of
from .stats import median
from .summary import Summary
from .verdict import Judgement, judge

SHARE_AT_RISK = 0.1  # of the winner's gain, that a smaller configuration may lose at the very most


@dataclass(frozen=True)
class KnobFinding:
    """What one knob does: the winner against the winner without it, in the same blocks.

    Faster where the knob helps, same where it does nothing, slower where it harms, unclear where it
    was not shown to help. comparison: None where it was not measured, for the reason given.
    """

    knob: str
    value: Value
    comparison: Comparison | None
    reason: Message | None = None

    @property
    def verdict(self) -> Verdict:
        """The verdict of the comparison; not confirmed where there is none."""
        return self.comparison.verdict if self.comparison else "not confirmed"


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


@dataclass(frozen=True)
class Candidate:
    """A smaller configuration that may do, the knobs that it leaves out, and its blocks."""

    configuration: Configuration
    dropped: tuple[str, ...]
    blocks: range


def next_step(summary: Summary, seed: int) -> Step | None:
    """The block that comes next; None when all is known, nothing was won, or it was not asked."""
    win, total = _win(summary), 0
    for stage in _stages(summary, win) if win else ():
        total += len(stage.blocks) * len(stage.sides)
        for block, order in _orders(summary, stage, seed):
            if step := step_of(summary, Role.ABLATION, block, order, total, stage.sides[0]):
                return step
    return None


def findings(summary: Summary) -> tuple[KnobFinding, ...]:
    """Each knob of the winner, in the order of the space; empty as in `next_step`."""
    win = _win(summary)
    return _findings(summary, win) if win else ()


def minimal(summary: Summary) -> Minimal | None:
    """The first smaller configuration that holds; None where there is none, or not yet."""
    win = _win(summary)
    if win is None:
        return None
    results = (_minimal(summary, win, c) for c in _candidates(summary, win))
    return next((result for result in results if result is not None), None)


def measured_as(summary: Summary, changed: Configuration) -> Measured:
    """The runs made here of the configuration that sets these knobs, at the winner's batch size."""
    identity = {**baseline(summary), **changed}
    runs = summary.fresh_runs(identity, Role.ABLATION)
    return grouped(identity, runs, summary.objective, summary.disturbed)


def _win(summary: Summary) -> Judgement | None:
    """What there is to explain; None where nothing was won, or no explanation was asked for."""
    judgement = judge(summary) if summary.options.ablate else None
    return judgement if judgement and judgement.verdict == "faster" else None


def _without(summary: Summary, winner: Configuration, *names: str) -> Configuration:
    """The winner with these knobs as the baseline has them."""
    return {**winner, **{name: baseline(summary)[name] for name in names}}


def _broken_rule(summary: Summary, identity: Configuration) -> Rule | None:
    """The rule that forbids this configuration."""
    space, full = summary.space, {**summary.space.baseline(), **identity}
    return space.broken_rule(full) or space.broken_once_resolved(full, summary.meanings.unset)


def _stages(summary: Summary, win: Judgement) -> Iterator[Stage]:
    """What is measured together, in turn; a later stage is a function of the runs before it."""
    winner = win.best.configuration
    names = list(summary.space.changed(winner))
    variants = [_without(summary, winner, name) for name in names] if len(names) > 1 else []
    allowed = [variant for variant in variants if not _broken_rule(summary, variant)]
    if allowed:  # of a single knob the hold-out has told all
        yield Stage(range(MIN_PAIRS), (winner, *allowed), fewest=2)
    for candidate in _candidates(summary, win):
        sides = winner, candidate.configuration, baseline(summary)
        yield Stage(candidate.blocks, sides, fewest=3)
        if _minimal(summary, win, candidate):
            return


def _orders(summary: Summary, stage: Stage, seed: int) -> Iterator[tuple[int, list[Configuration]]]:
    """Every block with its order; what failed in one is left out of the next ones."""
    sides = list(stage.sides)
    for block in stage.blocks:
        order = list(sides)
        random.Random(f"{seed}:{summary.trials_done}:ablation:{block}").shuffle(order)
        yield block, order
        sides = [side for side in sides if not _failure(summary, side, block)]
        if stage.sides[0] not in sides or len(sides) < stage.fewest:
            return


def _failure(summary: Summary, identity: Configuration, block: int) -> str:
    """How it failed in this block; "" where it did not."""
    runs = summary.fresh_runs(identity, Role.ABLATION, block)
    return next((r.outcome.value for r in runs if not r.ok), "")


def _logs(
    summary: Summary, better: Configuration, worse: Configuration, blocks: range
) -> list[float]:
    """log(how many times better one is than the other), of each block in which both ran well."""
    pairs = [block_pair(summary, better, worse, Role.ABLATION, block) for block in blocks]
    return log_speedups(summary, [pair for pair in pairs if pair is not None])


def _findings(summary: Summary, win: Judgement) -> tuple[KnobFinding, ...]:
    changed = summary.space.changed(win.best.configuration)
    if len(changed) == 1:
        return tuple(KnobFinding(*knob, win.comparison) for knob in changed.items())
    return tuple(_finding(summary, win, name, value) for name, value in changed.items())


def _finding(summary: Summary, win: Judgement, name: str, value: Value) -> KnobFinding:
    winner = win.best.configuration
    variant = _without(summary, winner, name)
    logs = _logs(summary, winner, variant, range(MIN_PAIRS))
    reason = _why_not_measured(summary, variant, len(logs))
    return KnobFinding(name, value, None if reason else comparison_of(logs), reason)


def _why_not_measured(summary: Summary, variant: Configuration, done: int) -> Message | None:
    """A rule forbids it, it fails, or blocks are missing; None for none of these."""
    if rule := _broken_rule(summary, variant):
        return rule.reason
    for block in range(MIN_PAIRS):
        if outcome := _failure(summary, variant, block):
            return Message("without it: {outcome}", {"outcome": outcome})
    if done == MIN_PAIRS:
        return None
    return Message("{done} of {blocks} blocks were measured", {"done": done, "blocks": MIN_PAIRS})


def _candidates(summary: Summary, win: Judgement) -> Iterator[Candidate]:
    """Smaller configurations, in turn: first without all that was not shown to help.

    Then all but the one with the largest effect, all but the two, and so on.
    """
    idle = [
        (finding.comparison.speedup, finding.knob)
        for finding in _findings(summary, win)
        if finding.comparison and finding.verdict != "faster"
    ]
    idle.sort(key=lambda effect: effect[0])
    for count in range(len(idle), 0, -1):
        dropped = tuple(knob for _, knob in idle[:count])
        smaller = _without(summary, win.best.configuration, *dropped)
        if not summary.space.is_baseline(smaller) and not _broken_rule(summary, smaller):
            begin = MIN_PAIRS * (1 + len(idle) - count)
            yield Candidate(smaller, dropped, range(begin, begin + MIN_PAIRS))


def _minimal(summary: Summary, win: Judgement, candidate: Candidate) -> Minimal | None:
    """The smaller configuration, where it beats the baseline and loses nothing to the winner."""
    smaller, blocks = candidate.configuration, candidate.blocks
    losses = _logs(summary, win.best.configuration, smaller, blocks)
    over_baseline = comparison_of(_logs(summary, smaller, baseline(summary), blocks))
    over_winner = comparison_of([-loss for loss in losses])
    if over_baseline is None or over_winner is None or not _keeps_limit(summary, smaller, blocks):
        return None
    assert over_winner.interval is not None
    noise = statistics.stdev(losses) / math.sqrt(len(losses))
    gain = math.log(over_baseline.speedup / over_winner.speedup)  # the winner's, in these blocks
    margin = max(PRACTICAL_EFFECT, SHARE_AT_RISK * gain)
    loses = median(losses) > PRACTICAL_EFFECT + noise
    loses = loses or math.log(over_winner.interval.low) < -margin
    if over_baseline.verdict != "faster" or loses:
        return None
    changed = summary.space.changed(smaller)
    return Minimal(changed, candidate.dropped, over_baseline, over_winner)


def _keeps_limit(summary: Summary, identity: Configuration, blocks: range) -> bool:
    """Did it run well in each of its blocks, within the latency that is allowed?"""
    runs = [r for block in blocks for r in summary.fresh_runs(identity, Role.ABLATION, block)]
    measured = grouped(identity, runs, summary.objective, summary.disturbed)
    return bool(ranked([measured], summary.objective, summary.limit_ms))
