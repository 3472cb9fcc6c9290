"""Which configurations are measured again after the search, in which order, and which one wins.

The best of many single runs promises what it cannot keep. So the best few, the presets that ran and
the baseline are measured again in fresh processes, in blocks, each block in a new random order;
then the winner against the baseline in alternating pairs, used for nothing but the claim.

Everything here is a function of the recorded runs, so that a confirmation goes on after a crash.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import replace

from ..policy import PRACTICAL_EFFECT
from ..space.model import Configuration
from ..worker.protocol import Outcome, Role
from . import pairs
from .pairs import Step, at_batch, baseline, contender, planned, recorded_runs, runs_of, step_of
from .stats import median
from .summary import Summary, grouped, ranked

FINALISTS = 5
ALL_IN = 2  # blocks with every finalist
KEPT = 4  # finalists in the blocks after those
BLOCKS = 4
SEARCH_VOTES = 1  # blocks that what the search measured is worth
DRIFT_TAKEN_OFF = 0.5  # of a block's median: all of it would bring the block's own scatter in


def finalists(summary: Summary) -> list[Configuration]:
    """The best few and the presets that ran well, at the batch size of the best."""
    if summary.best is None:
        return []
    batch = summary.best.batch_size
    here = [one for one in summary.measured if one.batch_size == batch]
    good = ranked(here, summary.objective, summary.limit_ms)
    others = [one.configuration for one in good if not summary.space.is_baseline(one.configuration)]
    presets = [at_batch(summary, summary.space.preset(name)) for name in summary.space.presets]
    return others[:FINALISTS] + [one for one in others[FINALISTS:] if one in presets]


def next_step(summary: Summary, seed: int) -> Step | None:
    """The block that comes next, or None when the confirmation is complete."""
    chosen = finalists(summary)
    if not chosen or not planned(summary):
        return None
    looks = planned(summary)
    for block in range(BLOCKS):
        order = _order(summary, block, seed)
        total = block_runs(len(chosen)) + 2 * looks[0].pairs
        if step := step_of(summary, Role.CONFIRM, block, order, total, chosen[0]):
            return step
    best = contender(summary) or winner(summary)
    step = pairs.next_step(summary, best) if best is not None else None
    if step is None:
        return None
    done = recorded_runs(summary, Role.CONFIRM)
    return replace(step, done=done + step.done, total=block_runs(len(chosen)) + step.total)


def block_runs(count: int) -> int:
    """Runs of the blocks with so many finalists."""
    return ALL_IN * (count + 1) + (BLOCKS - ALL_IN) * (min(count, KEPT) + 1)


def _order(summary: Summary, block: int, seed: int) -> list[Configuration]:
    """The configurations of a block; what failed in an earlier one is left out."""
    base = baseline(summary)
    order = [*still_in(summary, block), base]
    random.Random(f"{seed}:{summary.trials_done}:{block}").shuffle(order)
    spoiled = any(failed(summary, base, earlier) for earlier in range(block))
    return [one for one in order if one != base or not spoiled]


def failed(summary: Summary, one: Configuration, block: int) -> bool:
    """Did the configuration fail in this block?"""
    runs = runs_of(summary, one, Role.CONFIRM, block)
    return any(recorded.run.result.outcome != Outcome.OK for recorded in runs)


def still_in(summary: Summary, block: int) -> list[Configuration]:
    """The finalists of this block: none that failed before, and later on the best few only."""
    left = [
        one
        for one in finalists(summary)
        if not any(failed(summary, one, earlier) for earlier in range(block))
    ]
    if block < ALL_IN:
        return left
    votes = _votes(summary, left, ALL_IN)
    order = sorted(votes, key=lambda number: median(votes[number]))
    return [left[number] for number in order[:KEPT]]


def block_values(summary: Summary, one: Configuration, blocks: int) -> list[float]:
    """The objective in each block; empty where a run is missing, failed or is over the limit."""
    runs = [r for block in range(blocks) for r in runs_of(summary, one, Role.CONFIRM, block)[:1]]
    again = grouped(one, runs, summary.objective)
    kept = ranked([again], summary.objective, summary.limit_ms)
    if len(runs) < blocks or not kept:
        return []
    return [summary.objective.of(measurement) for measurement in again.measurements()]


def winner(summary: Summary) -> Configuration | None:
    """The best finalist by its blocks; of those no worse, the one with the fewest knobs set.

    Its score is the median over blocks of its log(cost), less half of the block's median, with what
    the search measured as one block more. Of as many knobs, the steadier wins.
    """
    chosen = still_in(summary, BLOCKS)
    votes = _votes(summary, chosen, BLOCKS)
    if not votes:
        return None
    best = min(votes, key=lambda number: median(votes[number]))
    limit = median(votes[best]) + math.log1p(PRACTICAL_EFFECT)
    tied = [number for number in votes if median(votes[number]) <= limit]
    return chosen[
        min(
            tied,
            key=lambda n: (len(summary.space.changed(chosen[n])), statistics.stdev(votes[n])),
        )
    ]


def _votes(
    summary: Summary, chosen: Sequence[Configuration], blocks: int
) -> dict[int, list[float]]:
    """Number of the configuration -> its log cost in each block, then the search's.

    Each less half of what is usual in that block. Without those that did not run well in each.
    """
    costs = {}
    for number, one in enumerate(chosen):
        values = block_values(summary, one, blocks)
        if values:
            searched = next(m.value for m in summary.measured if m.configuration == one)
            values += [searched or values[0]] * SEARCH_VOTES
            costs[number] = [summary.objective.log_cost(value) for value in values]
    usual = [DRIFT_TAKEN_OFF * median(block) for block in zip(*costs.values(), strict=True)]
    return {
        number: [cost - common for cost, common in zip(row, usual, strict=True)]
        for number, row in costs.items()
    }
