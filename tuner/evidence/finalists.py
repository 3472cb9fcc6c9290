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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..policy import PRACTICAL_EFFECT
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..worker.protocol import Outcome, Role
from .pairs import at_batch, baseline, contender, pair_of, pairs_wanted, planned, runs_of
from .stats import median
from .summary import Summary, grouped, ranked

FINALISTS = 5
ALL_IN = 2  # blocks with every finalist
KEPT = 4  # finalists in the blocks after those
BLOCKS = 4
SPARE_PAIRS = 4  # for pairs that the baseline's own run spoiled
SEARCH_VOTES = 1  # blocks that what the search measured is worth
DRIFT_TAKEN_OFF = 0.5  # of a block's median: all of it would bring the block's own scatter in


@dataclass(frozen=True)
class NextRun:
    """A run that the confirmation still needs; `done` of `total` are recorded."""

    role: Role
    block: int
    trial: int
    configuration: Configuration
    done: int
    total: int


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


def next_run(summary: Summary, seed: int) -> NextRun | None:
    """The run that comes next, or None when the confirmation is complete."""
    chosen = finalists(summary)
    if not chosen or not planned(summary):
        return None
    for role, block, one in _order(summary, seed):
        if not runs_of(summary, one, role, block):
            last = block + 1 if role == Role.HOLD_OUT else 0
            look = next((look.pairs for look in planned(summary) if look.pairs >= last), last)
            return NextRun(
                role=role,
                block=block,
                trial=next(m.trials[0] for m in summary.measured if m.configuration == one),
                configuration={**summary.space.baseline(), **one},
                done=len(_done(summary)),
                total=2 * look + (0 if nothing_to_choose(summary) else block_runs(len(chosen))),
            )
    return None


def _done(summary: Summary) -> set[tuple[Role, int, str]]:
    """The runs of the confirmation that were made, a repeated one once."""
    return {
        (r.run.spec.role, r.run.spec.block, str(summary.identity(r.configuration)))
        for r in summary.confirmation_runs
        if r.run.spec.role != Role.ABLATION
    }


def block_runs(count: int) -> int:
    """Runs of the blocks with so many finalists."""
    return ALL_IN * (count + 1) + (BLOCKS - ALL_IN) * (min(count, KEPT) + 1)


def _order(summary: Summary, seed: int) -> Iterator[tuple[Role, int, Configuration]]:
    """Every run in its order; what failed in one block is left out of the next ones."""
    base = baseline(summary)
    for block in range(0 if nothing_to_choose(summary) else BLOCKS):
        order = [*still_in(summary, block), base]
        random.Random(f"{seed}:{summary.trials_done}:{block}").shuffle(order)
        for one in order:
            if one != base or not any(failed(summary, base, earlier) for earlier in range(block)):
                yield Role.CONFIRM, block, one
    best = contender(summary) or winner(summary)
    if best is not None:
        yield from _pairs(summary, best)


def _pairs(summary: Summary, best: Configuration) -> Iterator[tuple[Role, int, Configuration]]:
    """Alternating pairs; one that the baseline spoiled is made again under a further number."""
    base, number, good = baseline(summary), 0, 0
    wanted = pairs_wanted(summary, best)
    while good < wanted and number < wanted + SPARE_PAIRS:
        for one in (base, best) if number % 2 == 0 else (best, base):
            yield Role.HOLD_OUT, number, one
        if any(not _is_good(r) for r in runs_of(summary, best, Role.HOLD_OUT, number)):
            return  # the winner itself fails: there is nothing to claim
        good += pair_of(summary, best, number) is not None
        number += 1


def _is_good(recorded: RecordedRun) -> bool:
    return recorded.run.result.outcome == Outcome.OK


def failed(summary: Summary, one: Configuration, block: int) -> bool:
    """Did the configuration fail in this block?"""
    runs = runs_of(summary, one, Role.CONFIRM, block)
    return any(recorded.run.result.outcome != Outcome.OK for recorded in runs)


def nothing_to_choose(summary: Summary) -> bool:
    """Was one configuration asked for, by a check? Then the hold-out follows at once."""
    return summary.study.setup.get("only") is not None and len(finalists(summary)) == 1


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
    if nothing_to_choose(summary):
        return finalists(summary)[0]
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
