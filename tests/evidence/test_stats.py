"""Pure functions on samples, with literal values."""

from __future__ import annotations

import pytest

from tuner.evidence import stats


def test_percentiles_need_samples_enough() -> None:
    assert stats.percentile(range(63), 90) is None
    assert stats.percentile(range(100), 90) == 89
    assert stats.percentile(range(661), 99) is None
    assert stats.percentile(range(1000), 99) == 989


@pytest.mark.parametrize(
    ("share", "freedom", "expected"),
    [
        (0.975, 1, 12.706205),
        (0.975, 8, 2.306004),
        (0.975, 9, 2.262157),
        (0.995, 20, 2.845340),
        (0.9995, 8, 5.041305),
    ],
)
def test_quantiles_of_student_s_t_are_those_of_the_tables(
    share: float, freedom: int, expected: float
) -> None:
    assert stats.t_quantile(share, freedom) == pytest.approx(expected, abs=1e-6)


def test_a_line_ignores_one_outlier() -> None:
    points = [(1.0, 12.0), (2.0, 14.0), (4.0, 18.0), (8.0, 26.0), (16.0, 500.0)]
    assert stats.line_through(points) == (10.0, 2.0)
    assert stats.line_through([(1.0, 5.0)]) is None


def test_the_needed_warm_up_ends_where_calls_are_as_fast_as_samples() -> None:
    latency_ns = [100] * 5
    assert stats.settled_after([900, 300, 200, 126, 124, 90], latency_ns) == 3
    assert stats.settled_after([100, 100], latency_ns) == 1
    assert stats.settled_after([900, 800, 700], latency_ns) == 3


def test_one_disturbed_call_is_not_warm_up() -> None:
    assert stats.settled_after([900, 100, 100, 500, 100, 100], [100] * 5) == 1


@pytest.mark.parametrize(
    ("count", "error", "rank", "interval"),
    [
        (6, 0.05, 1, (0, 5, 1 - 2 / 64)),
        (8, 0.05, 1, (0, 7, 1 - 2 / 256)),
        (9, 0.05, 2, (1, 7, 1 - 20 / 512)),
        (16, 0.0125, 3, (2, 13, 1 - 2 * (1 + 16 + 120) / 2**16)),
    ],
)
def test_the_interval_of_the_median_is_exact(
    count: int, error: float, rank: int, interval: tuple[float, float, float]
) -> None:
    values = [float(value) for value in reversed(range(count))]
    assert stats.interval_rank(count, error) == rank
    assert stats.order_statistic_interval(values, rank) == interval


def test_too_few_values_have_no_interval() -> None:
    assert stats.interval_rank(5, 0.05) == 0
    assert stats.interval_rank(7, 0.01) == 0


def test_the_smallest_shown_effect_grows_with_the_spread() -> None:
    # All 6 values must lie above: each with 0.8 ** (1 / 6) = 0.9635, which is 1.793 deviations.
    assert stats.smallest_shown(0.0, 6, 0.01, 1) == 0.01
    assert stats.smallest_shown(0.1, 6, 0.01, 1) == pytest.approx(0.1893, abs=1e-4)
