"""Which runs are one configuration, and which configuration is best."""

from __future__ import annotations

from dataclasses import replace

from tests.support.runs import SPACE, recorded, study_record
from tuner.evidence.summary import Summary, summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.worker.protocol import Measurement, Outcome, Role


def test_warm_up_is_not_part_of_a_configuration() -> None:
    runs = [recorded(0, 10), recorded(1, 4, mode="fast"), recorded(2, 6, mode="fast", warmup=5)]
    summary = summarize(study_record(), runs)
    assert [(m.trials, m.value) for m in summary.measured] == [([0], 10.0), ([1, 2], 5.0)]


def test_a_value_equal_to_what_unset_is_belongs_to_the_baseline_where_that_is_certain() -> None:
    # threads reads back 2 with certainty, mode reads back fast without.
    runs = [recorded(0, 10), recorded(1, 12, threads=2), recorded(2, 5, mode="fast")]
    summary = summarize(study_record(), runs)
    assert [m.trials for m in summary.measured] == [[0, 1], [2]]


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
    points = [(p.batch_size, p.baseline, p.best) for p in summary.curve]
    assert [(b, x and x.latency_ms, y and y.latency_ms) for b, x, y in points] == [
        (1, 10.0, 5.0),
        (8, 24.0, 12.0),
    ]


def test_throughput_keeps_the_latency_limit() -> None:
    setup = Setup("m", objective="throughput", max_latency_ms=20)
    runs = [
        recorded(0, 10),
        recorded(1, 40, batch_size=8),
        recorded(2, 16, mode="fast", batch_size=8),
        recorded(3, 30, spin="on", batch_size=8),
    ]
    best = summarize(study_record(setup), runs).best
    assert best is not None
    assert (best.trials, best.value) == ([2], 500.0)


def confirming(*runs: RecordedRun) -> Summary:
    """A summary with these as the first block of the confirmation, the second one disturbed."""
    search = [recorded(0, 10), recorded(1, 4, mode="fast")]
    block = [
        replace(r, run=replace(r.run, spec=replace(r.run.spec, role=Role.CONFIRM, after_trials=2)))
        for r in runs
    ]
    disturbed = frozenset(r.run.uid for r in block[1:2])
    return replace(summarize(study_record(), [*search, *block]), disturbed=disturbed)


def test_a_fresh_run_that_was_disturbed_is_the_last_of_its_block() -> None:
    summary = confirming(recorded(0, 10), recorded(1, 5, mode="fast"), recorded(1, 4, mode="fast"))
    fast = summary.identity({**SPACE.baseline(), "mode": "fast"})
    runs = summary.fresh_runs(fast, Role.CONFIRM, 0)
    assert [summary.value(recorded) for recorded in runs] == [4.0, 5.0]
    assert summary.fresh_runs(fast, Role.CONFIRM, 1) == []
    assert summary.fresh_runs(fast, Role.HOLD_OUT) == []


def test_a_repeated_fresh_run_is_done_once_and_a_failed_environment_is_none() -> None:
    broken = recorded(1, outcome=Outcome.ENVIRONMENT_ERROR, mode="fast")
    summary = confirming(recorded(0, 10), recorded(0, 10), broken)
    assert (summary.done(Role.CONFIRM), summary.done(Role.HOLD_OUT)) == (1, 0)


def test_the_objective_of_a_run_is_computed_once() -> None:
    calls: list[Measurement] = []
    summary = summarize(study_record(), [recorded(0, 10)])

    def counted(measurement: Measurement) -> float:
        calls.append(measurement)
        return 7.0

    again = replace(summary, objective=replace(summary.objective, of=counted))
    run = again.measured[0].runs[0]
    assert (again.value(run), again.value(run), len(calls)) == (7.0, 7.0, 1)


def test_an_environment_error_is_counted_as_failure_but_is_no_trial() -> None:
    runs = [recorded(0, 10), recorded(1, outcome=Outcome.ENVIRONMENT_ERROR, mode="fast")]
    summary = summarize(study_record(), runs)
    assert summary.trials_done == 1
    assert summary.failures == {"environment_error": 1}
