"""The hold-out: fresh pairs of winner and baseline, used for nothing but the claim.

And what it shares with confirmation and ablation: a step of any of them is what is still to be made
of one block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..options import AUTO, OFF
from ..policy import ALL_ERRORS, BATCH_SIZE, LEAST_ALPHA, PRACTICAL_EFFECT
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..worker.protocol import Outcome, Role
from . import intervals
from .intervals import Look, fewest_pairs, interval_of, pairs_to_show, verdict
from .stats import median
from .summary import Summary

Pair = tuple[RecordedRun, RecordedRun]
LONGEST_GAP_S = 120.0  # between the runs of a pair: what lies further apart shares no moment
SPARE_PAIRS = 4  # for pairs that the baseline's own run spoiled


@dataclass(frozen=True)
class Step:
    """The runs that are still to be made of one block, as (trial, configuration), in their order.

    `done` of `total` runs are recorded; a total grows where further blocks turn out to be needed.
    """

    role: Role
    block: int
    runs: tuple[tuple[int, Configuration], ...]
    done: int
    total: int


def baseline(summary: Summary) -> Configuration:
    """The baseline's settings at the batch size of the best."""
    return at_batch(summary, summary.space.baseline())


def at_batch(summary: Summary, configuration: Configuration) -> Configuration:
    """The configuration's identity at the batch size of the best."""
    best = summary.best
    if best is not None and best.batch_size is not None:
        configuration = {**configuration, BATCH_SIZE: best.batch_size}
    return summary.identity(configuration)


def runs_of(summary: Summary, one: Configuration, role: Role, block: int) -> list[RecordedRun]:
    """A configuration's runs in a block that say something about it, the disturbed ones last."""
    found = [
        recorded
        for recorded in summary.confirmation_runs
        if recorded.run.spec.role == role
        and recorded.run.spec.block == block
        and recorded.run.result.outcome != Outcome.ENVIRONMENT_ERROR
        and summary.identity(recorded.configuration) == one
    ]
    return sorted(found, key=lambda recorded: recorded.run.uid in summary.disturbed)


def step_of(
    summary: Summary,
    role: Role,
    block: int,
    order: Sequence[Configuration],
    total: int,
    stand_in: Configuration,
) -> Step | None:
    """What is still to be made of a block of these configurations; None where nothing is.

    stand_in: a searched configuration, of whose trial are the runs of one that was not searched.
    """
    missing = [side for side in order if not runs_of(summary, side, role, block)]
    if not missing:
        return None
    trials = {str(m.configuration): m.trials[0] for m in summary.measured}
    base, trial = summary.space.baseline(), trials[str(stand_in)]
    runs = tuple((trials.get(str(side), trial), {**base, **side}) for side in missing)
    return Step(role, block, runs, recorded_runs(summary, role), total)


def recorded_runs(summary: Summary, role: Role) -> int:
    """How many runs of a role are recorded, a repeated one once."""
    return len(
        {
            (r.block, str(summary.identity(r.configuration)))
            for r in summary.confirmation_runs
            if r.role == role and r.outcome != Outcome.ENVIRONMENT_ERROR
        }
    )


def contender(summary: Summary) -> Configuration | None:
    """The configuration that the hold-out's recorded runs are about; None before there are any.

    What was begun is finished: a later rule that would choose another winner does not change it.
    """
    base = baseline(summary)
    tried = (
        summary.identity(r.configuration)
        for r in summary.confirmation_runs
        if r.run.spec.role == Role.HOLD_OUT
    )
    here = (one for one in tried if one.get(BATCH_SIZE) == base.get(BATCH_SIZE))
    return next((one for one in here if one != base), None)


def pairs_of(summary: Summary, won: Configuration) -> list[Pair]:
    """(winner's run, baseline's run) of each pair of which both ran well, one after the other."""
    numbers = {r.run.spec.block for r in summary.confirmation_runs}
    found = (pair_of(summary, won, number) for number in sorted(numbers))
    return [pair for pair in found if pair is not None]


def pair_of(summary: Summary, won: Configuration, number: int) -> Pair | None:
    """The pair of that number; None where a run is missing, failed, or long after the other."""
    sides = [runs_of(summary, one, Role.HOLD_OUT, number) for one in (won, baseline(summary))]
    good = [[r for r in runs if r.run.result.measurement is not None] for runs in sides]
    if not all(good):
        return None
    first, second = sorted((good[0][0], good[1][0]), key=lambda r: r.run.started_at)
    gap_s = (second.run.started_at - first.run.started_at).total_seconds() - first.run.wall_ns / 1e9
    run_s = max(first.run.wall_ns, second.run.wall_ns) / 1e9  # one may have been made again between
    return (good[0][0], good[1][0]) if gap_s <= LONGEST_GAP_S + 2 * run_s else None


def next_step(summary: Summary, winner: Configuration) -> Step | None:
    """The pair that comes next; None where there are enough, or the winner itself fails.

    The sides alternate; a pair that the baseline spoiled is made again under a further number.
    """
    looks, wanted = planned(summary), pairs_wanted(summary, winner)
    number, good = 0, 0
    while good < wanted and number < wanted + SPARE_PAIRS:
        order = [baseline(summary), winner] if number % 2 == 0 else [winner, baseline(summary)]
        end = next((look.pairs for look in looks if look.pairs > number), number + 1)
        if step := step_of(summary, Role.HOLD_OUT, number, order, 2 * end, winner):
            return step
        if not all(r.ok for r in runs_of(summary, winner, Role.HOLD_OUT, number)):
            return None  # there is nothing to claim
        good += pair_of(summary, winner, number) is not None
        number += 1
    return None


def log_speedups(summary: Summary, pairs: Sequence[Pair]) -> list[float]:
    """log(how many times better the first of each pair is)."""
    costs = [[_log_cost(summary, recorded) for recorded in pair] for pair in pairs]
    return [theirs - mine for mine, theirs in costs]


def _log_cost(summary: Summary, recorded: RecordedRun) -> float:
    measurement = recorded.run.result.measurement
    assert measurement is not None
    return summary.objective.log_cost(summary.objective.of(measurement))


def pairs_wanted(summary: Summary, won: Configuration) -> int:
    """How many pairs there must be: up to the next look, as long as the answer is not clear."""
    logs = log_speedups(summary, pairs_of(summary, won))
    looks = planned(summary)
    for look in looks[:-1]:
        if len(logs) < look.pairs:
            return look.pairs
        seen = logs[: look.pairs]
        interval = interval_of(seen, look.alpha)
        if interval and verdict(interval.low, interval.high) != "unclear":
            return look.pairs
        promising = median(seen) > math.log1p(PRACTICAL_EFFECT)
        if not promising and summary.study.setup.get("target_effect") is None:
            return look.pairs  # the defaults would be kept in any case
    return looks[-1].pairs if looks else 0


def planned(summary: Summary) -> tuple[Look, ...]:
    """The looks of this study: its setup's, or as many pairs as show the effect it asks for."""
    asked = summary.study.setup
    confirm, target = asked.get("confirm", AUTO), asked.get("target_effect")
    if confirm == OFF:
        return ()
    left = max(ALL_ERRORS - asked.get("spent", 0.0), LEAST_ALPHA)
    if confirm != AUTO:
        return (Look(max(int(confirm), fewest_pairs(left)), left),)
    spread = summary.baseline_spread
    if target is None or spread is None:
        return intervals.LOOKS
    first = Look(intervals.LOOKS[0].pairs, min(intervals.LOOKS[0].alpha, left))
    pairs = pairs_to_show(target, spread, left - first.alpha)
    return (first,) if pairs <= first.pairs else (first, Look(pairs, left - first.alpha))


def spent(summary: Summary) -> float:
    """How often the looks that were taken may have erred, for a study that is to take others."""
    won = contender(summary)
    pairs = len(pairs_of(summary, won)) if won else 0
    taken = [look for look in planned(summary) if look.pairs <= pairs]
    before: float = summary.study.setup.get("spent", 0.0)
    return before + sum(look.error for look in taken)
