"""Which runs are one configuration, and which configuration is best."""

from __future__ import annotations

from tests.support.runs import recorded, study_record
from tuner.evidence.summary import summarize
from tuner.options import Setup
from tuner.worker.protocol import Outcome


def test_warm_up_is_not_part_of_a_configuration() -> None:
    runs = [recorded(0, 10), recorded(1, 4, mode="fast"), recorded(2, 6, mode="fast", warmup=5)]
    summary = summarize(study_record(), runs)
    assert [(one.trials, one.value) for one in summary.measured] == [([0], 10.0), ([1, 2], 5.0)]


def test_a_value_equal_to_what_unset_is_belongs_to_the_baseline_where_that_is_certain() -> None:
    # threads reads back 2 with certainty, mode reads back fast without.
    runs = [recorded(0, 10), recorded(1, 12, threads=2), recorded(2, 5, mode="fast")]
    summary = summarize(study_record(), runs)
    assert [one.trials for one in summary.measured] == [[0, 1], [2]]


def test_the_best_has_no_failed_run() -> None:
    runs = [
        recorded(0, 10),
        recorded(1, 2, mode="fast"),
        recorded(2, outcome=Outcome.CRASHED, mode="fast"),
        recorded(3, 8, spin="on"),
    ]
    best = summarize(study_record(), runs).best
    assert best is not None
    assert best.trials == [3]


def test_the_best_for_latency_is_at_the_default_batch() -> None:
    runs = [recorded(0, 10), recorded(1, 9, spin="on"), recorded(2, 1, mode="fast", batch_size=8)]
    summary = summarize(study_record(), runs)
    assert summary.best is not None
    assert summary.best.trials == [1]
    assert summary.speedup(summary.best) == 10 / 9


def test_the_curve_sets_each_batch_against_its_own_baseline() -> None:
    runs = [
        recorded(0, 10),
        recorded(1, 5, mode="fast"),
        recorded(2, 24, batch_size=8),
        recorded(3, 12, mode="fast", batch_size=8),
    ]
    summary = summarize(study_record(), runs)
    shown = [(p.batch_size, p.baseline, p.best) for p in summary.curve]
    assert [(b, x and x.latency_ms, y and y.latency_ms) for b, x, y in shown] == [
        (1, 10.0, 5.0),
        (8, 24.0, 12.0),
    ]


def test_throughput_keeps_the_latency_limit() -> None:
    asked = Setup("m", objective="throughput", max_latency_ms=20)
    runs = [
        recorded(0, 10),
        recorded(1, 40, batch_size=8),
        recorded(2, 16, mode="fast", batch_size=8),
        recorded(3, 30, spin="on", batch_size=8),
    ]
    best = summarize(study_record(asked), runs).best
    assert best is not None
    assert (best.trials, best.value) == ([2], 500.0)


def test_an_environment_error_is_counted_as_failure_but_is_no_trial() -> None:
    runs = [recorded(0, 10), recorded(1, outcome=Outcome.ENVIRONMENT_ERROR, mode="fast")]
    summary = summarize(study_record(), runs)
    assert summary.trials_done == 1
    assert summary.failures == {"environment_error": 1}
