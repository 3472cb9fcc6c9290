"""Pure functions on samples."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

# MLPerf LoadGen's floors: fewer samples do not support the percentile (inference rules, appendix).
MIN_SAMPLES = {90: 64, 99: 662}
SETTLED_WITHIN = 1.25


def median(values: Sequence[float]) -> float:
    """The median; raises statistics.StatisticsError for no values."""
    return float(statistics.median(values))


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The nearest-rank percentile, or None where there are too few values to support it."""
    if len(values) < MIN_SAMPLES[percent]:
        return None
    return float(sorted(values)[math.ceil(percent / 100 * len(values)) - 1])


def order_statistic_interval(values: Sequence[float], rank: int) -> tuple[float, float, float]:
    """(low, high, coverage): an exact interval for the median of what the values are drawn from.

    The value of this rank from either end; the signs about the median are binomial whatever the
    distribution.
    """
    ordered = sorted(values)
    return ordered[rank - 1], ordered[-rank], 1 - error_of(rank, len(values))


def error_of(rank: int, count: int) -> float:
    """How often the interval between two order statistics misses the median."""
    return 2 * _at_most(rank - 1, count, 0.5)


def interval_rank(count: int, error: float) -> int:
    """The rank, from either end, of the narrowest interval that misses the median no more often.

    0 where even the extremes of so few values miss it more often.
    """
    rank = 0
    while error_of(rank + 1, count) <= error:
        rank += 1
    return rank


def smallest_shown(deviation: float, count: int, beyond: float, rank: int) -> float:
    """The true median whose interval of `count` values lies above `beyond` 4 times of 5.

    For normal values of this standard deviation. rank: of the interval's bounds.
    """
    low, high = 0.5, 1.0
    for _ in range(50):  # the share of values that must lie above `beyond`, by bisection
        share = (low + high) / 2
        enough = _at_most(rank - 1, count, 1 - share) >= 0.8
        low, high = (low, share) if enough else (share, high)
    return beyond + statistics.NormalDist().inv_cdf(low) * deviation


def _at_most(hits: int, count: int, chance: float) -> float:
    """The binomial probability of at most so many hits."""
    return sum(
        math.comb(count, k) * chance**k * (1 - chance) ** (count - k) for k in range(hits + 1)
    )


def t_quantile(share: float, freedom: int) -> float:
    """What a value of Student's t with these degrees of freedom lies below this often, above half.

    By bisection over the angle whose tangent is t over the root of the degrees of freedom.
    """
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        enough = _within(angle, freedom) >= 2 * share - 1
        low, high = (low, angle) if enough else (angle, high)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """How often Student's t lies within plus and minus this angle's value.

    The finite series for whole degrees of freedom (Abramowitz and Stegun, 26.7.3 and 26.7.4).
    """
    cosine, odd = math.cos(angle), freedom % 2
    term, total = (cosine if odd else 1.0), 0.0
    for power in range(odd, freedom - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    return (angle + math.sin(angle) * total) * 2 / math.pi if odd else math.sin(angle) * total


def shift_interval(
    before: Sequence[float], after: Sequence[float], error: float
) -> tuple[float, float, float] | None:
    """(low, high, coverage) of how much smaller `after` is, for samples that are not paired.

    Hodges and Lehmann's exact interval: differences of a rank that the Mann-Whitney statistic falls
    below no more often. None for too few values.
    """
    ways = _mann_whitney_ways(len(before), len(after))
    total, below, rank = math.comb(len(before) + len(after), len(before)), 0, 0
    while 2 * (below + ways[rank]) <= error * total:
        below += ways[rank]
        rank += 1
    if rank == 0:
        return None
    differences = sorted(old - new for old in before for new in after)
    return differences[rank - 1], differences[-rank], 1 - 2 * below / total


def _mann_whitney_ways(first: int, second: int) -> list[int]:
    """In how many orders of so many values the statistic is 0, 1, 2 …

    The coefficients of the Gaussian binomial (Mann and Whitney, 1947), factor by factor.
    """
    ways = [1] + [0] * (first * second)
    for part in range(1, first + 1):
        for number in range(len(ways) - 1, second + part - 1, -1):
            ways[number] -= ways[number - second - part]
        for number in range(part, len(ways)):
            ways[number] += ways[number - part]
    return ways


def line_through(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """(intercept, slope) of the Theil-Sen line: medians of pairwise slopes and of residuals.

    None for fewer than two different x.
    """
    slopes = [
        (y2 - y1) / (x2 - x1)
        for i, (x1, y1) in enumerate(points)
        for x2, y2 in points[i + 1 :]
        if x1 != x2
    ]
    if not slopes:
        return None
    slope = median(slopes)
    return median([y - slope * x for x, y in points]), slope


def settled_after(warmup_ns: Sequence[int], latency_ns: Sequence[int]) -> int:
    """How many leading calls were slower than the samples: the warm-up that was really needed.

    Settled is where the median of the next three calls is within `SETTLED_WITHIN` times the median
    sample, so that a single disturbed call does not count. At least 1, at most all.
    """
    limit = SETTLED_WITHIN * median(latency_ns)
    for done in range(1, len(warmup_ns)):
        if median(warmup_ns[done : done + 3]) <= limit:
            return done
    return max(1, len(warmup_ns))
