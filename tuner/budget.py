"""How long things take: the trials that a time budget leaves room for, and what noise costs."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from .confirm import FINALISTS, block_runs
from .holdout import effect_shown, planned
from .language import say
from .store import RecordedRun
from .summary import CONFIRMATION_ROLES, Summary, finished_trials

TOO_BUSY = 1.0  # where no gain below 2x can be shown


def wanted_trials(summary: Summary, budget_s: float, runs: Sequence[RecordedRun]) -> int:
    """How many trials the budget leaves time for; the confirmation's time is kept back.

    At least one trial for each preset beside the baseline, and as many as there are once the
    confirmation has begun.
    """
    done = len(finished_trials(runs))
    least = 1 + len(summary.space.presets)
    if summary.confirmation_runs or not runs:
        return max(done, least)
    left_s = budget_s - sum(r.run.wall_ns for r in runs) / 1e9 - confirmation_s(summary, runs)
    return max(done + max(0, math.floor(left_s / _run_s(runs))), least)


def confirmation_s(summary: Summary, runs: Sequence[RecordedRun]) -> float:
    """What the confirmation will take: every block, and the hold-out to its first look."""
    looks = planned(summary)
    if not looks:
        return 0.0
    return (block_runs(FINALISTS) + 2 * looks[0].pairs) * _run_s(runs)


def _run_s(runs: Sequence[RecordedRun]) -> float:
    """Mean seconds of a run of the search."""
    searched = [r.run.wall_ns for r in runs if r.run.spec.role not in CONFIRMATION_ROLES]
    return statistics.fmean(searched) / 1e9


def noise_found(summary: Summary, runs: Sequence[RecordedRun]) -> list[str]:
    """What the baseline's first runs say of this host, and what it means for the confirmation."""
    spread, base = summary.baseline_spread, summary.baseline
    if spread is None or base is None:
        return []
    said = say(
        "noise: {runs} runs of the baseline differ by {spread:.1%}",
        runs=len(base.runs),
        spread=spread,
    )
    looks = planned(summary)
    if not looks:
        return [said]
    shown = [(look.pairs, effect_shown(look.pairs, spread, look.alpha)) for look in looks]
    if shown[-1][1] > TOO_BUSY:
        busy = say("too busy a machine for an answer, unless that changes: stop what else runs")
        return [f"{said}; {busy}"]
    parts = [
        say("{pairs} pairs of fresh runs show a gain of {effect:.1%}", pairs=pairs, effect=effect)
        for pairs, effect in shown
    ]
    lines = ["; ".join([said, *parts])]
    target = summary.study.setup.get("target_effect")
    if target is None:
        return lines
    pairs, effect = shown[-1]
    minutes = 2 * pairs * _run_s(runs) / 60
    planned_for = say(
        "for --target-effect {target:.1%} up to {pairs} pairs are planned, about {minutes:.0f} min",
        target=target,
        pairs=pairs,
        minutes=minutes,
    )
    lines.append(planned_for)
    if effect > target:
        lines.append(
            say(
                "warning: more pairs than that are not planned, and they show {effect:.1%}: "
                "a smaller gain needs a quieter host",
                effect=effect,
            )
        )
    return lines
