"""Which runs settle, and after how many calls."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tuner.evidence.steady import settles_at, warmup_needed
from tuner.worker.protocol import Measurement


def series(level: Callable[[int], float], count: int = 96, scatter: float = 0.05) -> list[int]:
    """So many samples of `level` of their number, with normal scatter about it."""
    rng = random.Random(0)
    return [round(1e6 * level(i) * rng.gauss(1, scatter)) for i in range(count)]


def measured(warmup_ns: list[int], latency_ns: list[int]) -> Measurement:
    return Measurement(warmup_ns, latency_ns, latency_ns, [1], 1, 1)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (lambda _: 1.0, 0),
        (lambda i: 1 + 0.04 * (i < 36), 0),  # too small to matter
        (lambda i: 1 + 0.3 * (i < 12), 12),
        (lambda i: 1 + 0.3 * (i < 24), 24),
        (lambda i: 1 - 0.2 * (i < 24), 24),  # faster at first, as a boosted clock is
        (lambda i: 1 + 0.3 * (i < 48), 48),
        (lambda i: 1 + 0.3 * (i < 60), None),
        (lambda i: 1 + 0.3 * (i > 70), None),
        (lambda i: 1 + 0.5 * i / 96, None),  # a drift that goes on to the end
        (lambda i: 1 + 0.5 * (36 - min(i, 36)) / 36, 33),  # one that ends
        (lambda i: 5.0 if 40 <= i < 51 else 1.0, 0),  # bursts
        (lambda i: 5.0 if i >= 86 else 1.0, 0),
    ],
)
def test_a_run_has_settled_where_the_level_changes_no_more(
    level: Callable[[int], float], expected: int | None
) -> None:
    assert settles_at(series(level)) == expected


def test_the_more_samples_scatter_the_larger_a_change_must_be() -> None:
    late = [series(lambda i: 1 + 0.15 * (i > 70), 96, scatter) for scatter in (0.02, 0.3)]
    assert [settles_at(run) is None for run in late] == [True, False]
    more = series(lambda i: 1 + 0.15 * (i > 7000), 9600, 0.3)
    assert settles_at(more) is None


def test_scatter_of_15_percent_alone_makes_3_of_200_runs_unsteady() -> None:
    rng = random.Random(0)
    runs = [[round(1e6 * rng.gauss(1, 0.15)) for _ in range(100)] for _ in range(200)]
    assert sum(settles_at(run) is None for run in runs) == 3


def test_few_samples_are_not_judged() -> None:
    assert settles_at([100] * 15 + [200] * 16) == 0
    assert settles_at([100] * 20 + [200] * 20) == 20


def test_the_warm_up_needed_reaches_into_the_samples() -> None:
    slow_first = series(lambda i: 1 + 0.3 * (i < 24))
    assert warmup_needed(measured([9_000_000] * 10, slow_first)) == 34
    assert warmup_needed(measured([9_000_000] + [1_000_000] * 9, series(lambda _: 1.0))) == 1
    assert warmup_needed(measured([9_000_000] * 10, series(lambda i: 1 + i / 96))) is None
