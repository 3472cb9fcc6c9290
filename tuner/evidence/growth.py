"""Does a call take longer the more calls its process has made? Judged from the stored series."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations, pairwise

from ..runs.records import RecordedRun
from .stats import median
from .steady import MIN_SAMPLES, PARTS

GROWS = 0.10  # by less a processor slows down as it warms up
RANK = 0.7  # Kendall's tau of eighths and their order: noise reaches it in less than 1 run of 100
RUNS = 3
SHARE = 0.8  # of runs that grow, and of fresh processes that begin low again
FALLS = 0.5  # of what the run before had grown by: a host that slows down does not go back


@dataclass(frozen=True)
class Growth:
    """by: how much longer the last calls of a run take than its first, as a share of those.

    runs: of so many runs those that rise.
    """

    by: float
    runs: int
    of_runs: int


@dataclass(frozen=True)
class _Course:
    """The first and the last level of a run, and whether it rises from the one to the other."""

    first: float
    last: float
    rises: bool


def growth(runs: Sequence[RecordedRun]) -> Growth | None:
    """Of runs of one configuration; None where it cannot be told from noise and from the host.

    Nearly all must rise steadily, and a fresh process must begin low again: a host that slows down
    while several runs are measured in turns makes all of them rise, and does not go back for the
    next.
    """
    ordered = sorted(runs, key=lambda recorded: recorded.run.started_at)
    courses = [(recorded, course) for recorded in ordered if (course := _course(recorded))]
    rising = [course for _, course in courses if course.rises]
    if len(rising) < max(RUNS, SHARE * len(courses)):
        return None
    again = [
        late.first <= early.last - FALLS * (early.last - early.first)
        for (before, early), (after, late) in pairwise(courses)
        if _end(before) <= after.run.started_at
    ]
    if len(again) < RUNS - 1 or sum(again) < SHARE * len(again):
        return None
    by = median([course.last / course.first - 1 for course in rising])
    return Growth(round(by, 3), len(rising), len(courses))


def _course(recorded: RecordedRun) -> _Course | None:
    """None where there are too few samples."""
    measurement = recorded.measurement
    samples = measurement.latency_ns if measurement else []
    if len(samples) < MIN_SAMPLES:
        return None
    bounds = [part * len(samples) // PARTS for part in range(PARTS + 1)]
    parts = [median(samples[start:end]) for start, end in pairwise(bounds)]
    order = [(late > early) - (late < early) for early, late in combinations(parts, 2)]
    first, last = median(parts[:2]), median(parts[-2:])
    return _Course(first, last, sum(order) >= RANK * len(order) and last >= (1 + GROWS) * first)


def _end(recorded: RecordedRun) -> datetime:
    return recorded.run.started_at + timedelta(microseconds=recorded.run.wall_ns / 1000)
