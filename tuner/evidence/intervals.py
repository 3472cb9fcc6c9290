"""Exact intervals for the median speed-up over pairs, and what so many pairs can show.

How many pairs there will be is known beforehand, and when it may end earlier: at a look, when the
answer is clear. Every look may err with its own small share (`alpha`), and the shares add up to
5 %, so that looking several times makes no interval a lie.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ..options import AUTO, OFF, Setup
from ..policy import ALL_ERRORS, LEAST_ALPHA, PRACTICAL_EFFECT
from .stats import error_of, interval_rank, median, order_statistic_interval, smallest_shown

Verdict = Literal["faster", "slower", "same", "unclear", "not confirmed", "not comparable"]
MOST_PAIRS = 100  # what --target-effect may plan


@dataclass(frozen=True)
class Look:
    """A number of pairs after which the hold-out may end; alpha: how often this look may err."""

    pairs: int
    alpha: float

    @property
    def error(self) -> float:
        """How often the interval of this look really misses the truth."""
        return error_of(interval_rank(self.pairs, self.alpha), self.pairs)


LOOKS: tuple[Look, ...] = (Look(8, 0.01), Look(16, 0.0125), Look(24, 0.0275))  # of --confirm auto


@dataclass(frozen=True)
class Interval:
    """Of the median speed-up.

    smallest_effect: the true speed-up that such pairs show 4 times of 5; None where runs are not
    paired.
    """

    low: float
    high: float
    coverage: float
    smallest_effect: float | None


@dataclass(frozen=True)
class Comparison:
    """How many times better one side is than the other: the median, its interval, the verdict.

    interval: None for too few runs. runs: of either side. paired: made in pairs and compared pair
    by pair.
    """

    verdict: Verdict
    speedup: float
    interval: Interval | None
    runs: tuple[int, int]
    paired: bool = True

    @property
    def pairs(self) -> int:
        """How many pairs it is over; 0 where it is not paired."""
        return self.runs[0] if self.paired else 0


def looks(options: Setup, spread: float | None) -> tuple[Look, ...]:
    """As many pairs as the options ask for, or as show the effect that they ask for.

    spread: of single runs of the baseline, relative; None for too few of them to plan by.
    """
    if options.confirm == OFF:
        return ()
    left = max(ALL_ERRORS - options.spent, LEAST_ALPHA)
    if options.confirm != AUTO:
        return (Look(max(int(options.confirm), fewest_pairs(left)), left),)
    if options.target_effect is None or spread is None:
        return LOOKS
    first = Look(LOOKS[0].pairs, min(LOOKS[0].alpha, left))
    pairs = pairs_to_show(options.target_effect, spread, left - first.alpha)
    return (first,) if pairs <= first.pairs else (first, Look(pairs, left - first.alpha))


def fewest_pairs(alpha: float) -> int:
    """The fewest pairs whose extremes err no more often than that."""
    return math.ceil(math.log2(2 / alpha))


def pairs_to_show(effect: float, spread: float, alpha: float) -> int:
    """The fewest pairs that show a true effect 4 times of 5; `MOST_PAIRS` where none of them do."""
    for pairs in range(LOOKS[0].pairs, MOST_PAIRS):
        if effect_shown(pairs, spread, alpha) <= effect:
            return pairs
    return MOST_PAIRS


def effect_shown(pairs: int, spread: float, alpha: float) -> float:
    """The smallest true effect that so many pairs show 4 times of 5.

    spread: of single runs, relative; that of a pair's ratio is larger by the root of 2.
    """
    return gain_shown(pairs, math.sqrt(2) * spread, alpha)


def gain_shown(pairs: int, deviation: float, alpha: float) -> float:
    """The same by the standard deviation of the pairs' log ratios."""
    beyond, rank = math.log1p(PRACTICAL_EFFECT), interval_rank(pairs, alpha)
    return math.inf if rank == 0 else math.expm1(smallest_shown(deviation, pairs, beyond, rank))


def interval_of(logs: Sequence[float], alpha: float = ALL_ERRORS) -> Interval | None:
    """Of the median of log speed-ups, one for each pair; None for too few of them."""
    rank = interval_rank(len(logs), alpha)
    if rank == 0:
        return None
    low, high, coverage = order_statistic_interval(logs, rank)
    beyond = math.log1p(PRACTICAL_EFFECT)
    smallest = smallest_shown(statistics.stdev(logs), len(logs), beyond, rank)
    return Interval(
        low=round(math.exp(low), 4),
        high=round(math.exp(high), 4),
        coverage=round(coverage, 4),
        smallest_effect=round(math.exp(smallest), 4),
    )


def comparison_of(logs: Sequence[float], alpha: float = ALL_ERRORS) -> Comparison | None:
    """Of log speed-ups, one for each pair; None for too few of them."""
    interval = interval_of(logs, alpha)
    if interval is None:
        return None
    speedup, runs = round(math.exp(median(logs)), 4), (len(logs), len(logs))
    return Comparison(verdict(interval.low, interval.high), speedup, interval, runs)


def verdict(low: float, high: float) -> Verdict:
    """faster and slower need the whole interval beyond what matters, same needs it within."""
    if low > 1 + PRACTICAL_EFFECT:
        return "faster"
    if high < 1 / (1 + PRACTICAL_EFFECT):
        return "slower"
    if low >= 1 / (1 + PRACTICAL_EFFECT) and high <= 1 + PRACTICAL_EFFECT:
        return "same"
    return "unclear"
