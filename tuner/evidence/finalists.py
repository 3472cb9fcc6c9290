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
from itertools import zip_longest

from ..policy import PRACTICAL_EFFECT
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..worker.protocol import Role
from . import pairs
from .measured import Measured, grouped, ranked
from .pairs import Step, at_batch, baseline, contender, log_ratio, step_of
from .stats import median
from .summary import Summary

FINALISTS = 5
BLOCKS = 4
SEARCH_VOTES = 1  # blocks that what the search measured is worth


def finalists(summary: Summary) -> list[Configuration]:
    """The best few and the presets that ran well, at the batch size of the best."""
    if summary.best is None:
        return []
    batch_size = summary.best.batch_size
    here = [m for m in summary.measured if m.batch_size == batch_size]
    good = ranked(here, summary.objective, summary.limit_ms)
    good = [m for m in good if not summary.space.is_baseline(m.configuration)]
    others = [m.configuration for m in _from_either_side(summary, good)]
    presets = [at_batch(summary, summary.space.preset(name)) for name in summary.space.presets]
    return others[:FINALISTS] + [other for other in others[FINALISTS:] if other in presets]


def _from_either_side(summary: Summary, good: Sequence[Measured]) -> list[Measured]:
    """The best of each side of a step that is not known well, in turns; as they are without one.

    Where a companion died, what was measured beside it and beside the next one is only as
    comparable as the step between them.
    """
    doubtful = [companion.number for companion in summary.ruler.companions if companion.apart]
    sides: dict[int, list[Measured]] = {}
    for measured in good:
        beside = measured.counted[0].run.spec.companion
        sides.setdefault(sum(number <= beside for number in doubtful), []).append(measured)
    ranks = zip_longest(*sides.values())
    return [measured for rank in ranks for measured in rank if measured is not None]


def next_step(summary: Summary, seed: int) -> Step | None:
    """The block that comes next, or None when the confirmation is complete."""
    candidates = finalists(summary)
    if not candidates or not summary.looks:
        return None
    runs = block_runs(len(candidates))
    for block in range(blocks(len(candidates))):
        order, total = _order(summary, block, seed), runs + 2 * summary.looks[0].pairs
        if step := step_of(summary, Role.CONFIRM, block, order, total, candidates[0]):
            return step
    best = contender(summary) or winner(summary)
    step = pairs.next_step(summary, best) if best is not None else None
    if step is None:
        return None
    return replace(step, done=summary.done(Role.CONFIRM) + step.done, total=runs + step.total)


def blocks(count: int) -> int:
    """How many blocks decide among so many finalists: one needs none."""
    return BLOCKS if count > 1 else 0


def block_runs(count: int) -> int:
    """Runs of the blocks with so many finalists."""
    return blocks(count) * (count + 1)


def _order(summary: Summary, block: int, seed: int) -> list[Configuration]:
    """The configurations of a block; what failed in an earlier one is left out."""
    order = [*finalists(summary), baseline(summary)]
    random.Random(f"{seed}:{summary.trials_done}:{block}").shuffle(order)
    return [side for side in order if not _failed_before(summary, side, block)]


def _failed_before(summary: Summary, configuration: Configuration, block: int) -> bool:
    """Did the configuration fail in an earlier block?"""
    runs = summary.fresh_runs(configuration, Role.CONFIRM)
    return any(r.block < block and not r.ok for r in runs)


def winner(summary: Summary) -> Configuration | None:
    """The best finalist by its blocks; of those no worse, the one with the fewest knobs set.

    Its score is the median over blocks of its log(cost) against the others in that block, with what
    the search measured as one block more. Of as many knobs, the better wins.
    """
    candidates = finalists(summary)
    if len(candidates) == 1:
        return candidates[0]
    costs = _costs(summary)
    if not costs:
        return None
    score = {number: median(row) for number, row in costs.items()}
    limit = min(score.values()) + math.log1p(PRACTICAL_EFFECT)
    tied = [number for number in score if score[number] <= limit]
    return candidates[
        min(tied, key=lambda n: (len(summary.space.changed(candidates[n])), score[n]))
    ]


def _costs(summary: Summary) -> dict[int, list[float]]:
    """Number of the finalist -> its log(cost) in each block, less the mean of all in that block.

    Without those that failed in one, or are over the limit.
    """
    rows = {
        number: runs
        for number, configuration in enumerate(finalists(summary))
        if (runs := _block_runs(summary, configuration))
    }
    of_blocks = [_ratios(summary, block) for block in zip(*rows.values(), strict=True)]
    searched = [summary.measured_of(finalists(summary)[number]) for number in rows]
    values = [measured.value for measured in searched if measured and measured.value]
    if len(values) == len(rows):
        of_blocks += [[summary.objective.log_cost(value) for value in values]] * SEARCH_VOTES
    centred = [[cost - statistics.fmean(block) for cost in block] for block in of_blocks]
    return dict(zip(rows, map(list, zip(*centred, strict=True)), strict=True))


def _block_runs(summary: Summary, configuration: Configuration) -> list[RecordedRun]:
    """Its run in each block; none where one is missing or failed, or they are over the limit."""
    rows = [summary.fresh_runs(configuration, Role.CONFIRM, block) for block in range(BLOCKS)]
    runs = [recorded for row in rows for recorded in row[:1]]
    measured = grouped(configuration, runs, summary.objective)
    whole = len(runs) == BLOCKS and ranked([measured], summary.objective, summary.limit_ms)
    return runs if whole else []


def _ratios(summary: Summary, block: Sequence[RecordedRun]) -> list[float]:
    """log(cost / cost of the first) of each: turn by turn, where they were in one heat."""
    return [log_ratio(summary, recorded, block[0]) for recorded in block]
