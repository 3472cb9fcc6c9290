"""The hold-out: fresh pairs of winner and baseline, used for nothing but the claim.

And what it shares with confirmation and ablation: a step of any of them is what is still to be made
of one block.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..policy import BATCH_SIZE, PRACTICAL_EFFECT
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..worker.protocol import Role
from .floor import Floor, of_pairs, of_study
from .intervals import comparison_of
from .stats import median
from .summary import Summary

Pair = tuple[RecordedRun, RecordedRun]
LONGEST_GAP_S = 120.0  # between the runs of a pair: what lies further apart shares no moment
SPARE_PAIRS = 4  # for pairs that the baseline's own run spoiled, and as many for disturbed ones


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
    missing = [side for side in order if not summary.fresh_runs(side, role, block)]
    if not missing:
        return None
    runs = tuple(
        (_trial(summary, side, stand_in), {**summary.space.baseline(), **side}) for side in missing
    )
    return Step(role, block, runs, summary.done(role), total)


def _trial(summary: Summary, *configurations: Configuration) -> int:
    """The first trial of the first of these that was searched."""
    measured = (summary.measured_of(configuration) for configuration in configurations)
    return next(m.trials[0] for m in measured if m is not None)


def next_step(summary: Summary, winner: Configuration) -> Step | None:
    """The pair that comes next; None where there are enough, or the winner itself fails.

    winner: its identity. The sides alternate. Made again under a further number is a pair that the
    baseline spoiled, one of which a heat has left one side, and up to four that were disturbed.
    """
    wanted, number = pairs_wanted(summary, winner), 0
    made: list[Pair] = []
    while (count := len(_counted(made))) < wanted:
        if number >= wanted + SPARE_PAIRS + len(made) - count:
            return None
        order = [baseline(summary), winner] if number % 2 == 0 else [winner, baseline(summary)]
        end = next((look.pairs for look in summary.looks if look.pairs > number), number + 1)
        step = step_of(summary, Role.HOLD_OUT, number, order, 2 * end, winner)
        if step and not (summary.in_turns and len(step.runs) < len(order)):
            return step
        if not all(r.ok for r in summary.fresh_runs(winner, Role.HOLD_OUT, number)):
            return None  # there is nothing to claim
        pair = pair_of(summary, winner, number)
        if pair is not None:
            made.append(pair)
        number += 1
    return None


def contender(summary: Summary) -> Configuration | None:
    """The configuration that the hold-out's recorded runs are about; None before there are any.

    What was begun is finished: a later rule that would choose another winner does not change it.
    """
    base = baseline(summary)
    identities = (
        summary.identity(r.configuration)
        for r in summary.confirmation_runs
        if r.role == Role.HOLD_OUT
    )
    here = (identity for identity in identities if identity.get(BATCH_SIZE) == base.get(BATCH_SIZE))
    return next((identity for identity in here if identity != base), None)


def pairs_of(summary: Summary, winner: Configuration) -> list[Pair]:
    """(winner's run, baseline's run) of each pair that counts, one after the other."""
    numbers = sorted({r.block for r in summary.fresh_runs(winner, Role.HOLD_OUT)})
    return _counted([pair for n in numbers if (pair := pair_of(summary, winner, n)) is not None])


def _counted(pairs: Sequence[Pair]) -> list[Pair]:
    """Those without the first four that were disturbed: more of them are how this host is."""
    disturbed = [place for place, pair in enumerate(pairs) if _is_disturbed(pair)][:SPARE_PAIRS]
    return [pair for place, pair in enumerate(pairs) if place not in disturbed]


def _is_disturbed(pair: Pair) -> bool:
    """Did something from outside disturb a heat? Witnessed for both: it is no merit of either."""
    return same_heat(*pair) and all(recorded.disturbed for recorded in pair)


def pair_of(summary: Summary, winner: Configuration, number: int) -> Pair | None:
    """The pair of that number; None where a run is missing, failed, or long after the other.

    Runs of one heat are never apart.
    """
    pair = block_pair(summary, winner, baseline(summary), Role.HOLD_OUT, number)
    if pair is None:
        return None
    if same_heat(*pair):
        return pair
    if any(recorded.run.spec.heat for recorded in pair):
        return None  # one of them was made again, without the other
    first, second = sorted((r.run for r in pair), key=lambda run: run.started_at)
    gap_s = (second.started_at - first.started_at).total_seconds() - first.wall_ns / 1e9
    run_s = max(first.wall_ns, second.wall_ns) / 1e9  # one may have been made again between
    return pair if gap_s <= LONGEST_GAP_S + 2 * run_s else None


def block_pair(
    summary: Summary, first: Configuration, second: Configuration, role: Role, block: int
) -> Pair | None:
    """A good run of either configuration in a block; None where one of them has none."""
    runs = [summary.fresh_runs(side, role, block) for side in (first, second)]
    good = [[r for r in side if r.measurement is not None] for side in runs]
    return (good[0][0], good[1][0]) if all(good) else None


def same_heat(first: RecordedRun, second: RecordedRun) -> bool:
    """Were they measured in turns?"""
    return first.run.spec.heat == second.run.spec.heat > 0


def log_speedups(summary: Summary, pairs: Sequence[Pair]) -> list[float]:
    """log(how many times better the first of each pair is): turn by turn, within a heat."""
    return [-log_ratio(summary, mine, theirs) for mine, theirs in pairs]


def log_ratio(summary: Summary, mine: RecordedRun, theirs: RecordedRun) -> float:
    """log(cost of mine / cost of theirs) of two runs that measured something."""
    if same_heat(mine, theirs) and mine.measurement and theirs.measurement:
        return summary.objective.log_ratio(mine.measurement, theirs.measurement)
    costs = [summary.objective.log_cost(summary.value(run)) for run in (mine, theirs)]
    return costs[0] - costs[1]


def pairs_wanted(summary: Summary, winner: Configuration) -> int:
    """How many pairs there must be: up to the next look, as long as the answer is not clear."""
    logs = log_speedups(summary, pairs_of(summary, winner))
    for look in summary.looks[:-1]:
        if len(logs) < look.pairs:
            return look.pairs
        comparison = comparison_of(logs[: look.pairs], look.alpha)
        if comparison and comparison.verdict != "unclear":
            return look.pairs
        promising = median(logs[: look.pairs]) > math.log1p(PRACTICAL_EFFECT)
        if not promising and summary.options.target_effect is None:
            return look.pairs  # the defaults would be kept in any case
    return summary.looks[-1].pairs if summary.looks else 0


def spent(summary: Summary) -> float:
    """How often the looks that were taken may have erred, for a study that is to take others."""
    winner = contender(summary)
    pairs = len(pairs_of(summary, winner)) if winner else 0
    errors = sum(look.error for look in summary.looks if look.pairs <= pairs)
    return summary.options.spent + errors


def floor_of(summary: Summary) -> Floor | None:
    """What pairs can show here; None for a study that was alone, or too short for it.

    By pairs of the baseline with itself where that is what was measured, in turns or alone.
    """
    winner, scale = contender(summary), summary.ruler
    equals = equal_pairs(summary) if winner is None else []
    if equals:
        log_cost, value = summary.objective.log_cost, summary.value
        costs = [sum(log_cost(value(run)) for run in pair) / 2 for pair in equals]
        return of_pairs(costs, [log_ratio(summary, *pair) for pair in equals])
    if not summary.in_turns:
        return None
    runs = summary.baseline.runs if summary.baseline else ()
    fresh = sum(recorded.run.uid in scale.relative for recorded in runs)
    logs = log_speedups(summary, pairs_of(summary, winner)) if winner else []
    return of_study(scale.host, scale.spread, fresh, logs)


def equal_pairs(summary: Summary) -> list[Pair]:
    """Two good runs of the baseline that were made as a pair, for each of which there are."""
    base = baseline(summary)
    numbers = sorted({r.block for r in summary.fresh_runs(base, Role.HOLD_OUT)})
    groups = (summary.fresh_runs(base, Role.HOLD_OUT, number) for number in numbers)
    good = ([r for r in group if r.measurement is not None] for group in groups)
    return [(runs[0], runs[1]) for runs in good if len(runs) > 1]
