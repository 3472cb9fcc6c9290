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


def relative_spread(values: Sequence[float]) -> float | None:
    """Standard deviation over mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    return statistics.stdev(values) / statistics.fmean(values)


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
