"""What may be claimed, with exact numbers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.runs import SPACE, NextRun, confirmed, recorded, study_record
from tuner.errors import StudyConflictError
from tuner.evidence.intervals import Look, verdict
from tuner.evidence.pairs import contender, spent
from tuner.evidence.summary import summarize
from tuner.evidence.verdict import judge
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.worker.protocol import Outcome, Role

SEARCHED = [recorded(0, 10), recorded(1, 2, mode="fast")]
DRIFT = (1.0, 1.1, 1.2, 1.3, 1.4, 1.5)  # of the machine, from pair to pair


def of_mode(fast_ms: float) -> Callable[[NextRun], float]:
    def answer(step: NextRun) -> float:
        drift = DRIFT[step.block % 6]
        return (fast_ms if SPACE.changed(step.configuration) else 10.0) * drift

    return answer


AT_8 = [recorded(1, 24, batch_size=8), recorded(2, 12, mode="fast", batch_size=8)]


@pytest.mark.parametrize(
    ("searched", "asked", "why"),
    [
        ([], Setup("m", trials=1), "nothing but the baseline was tried"),
        (
            [recorded(1, outcome=Outcome.CRASHED, mode="fast")],
            Setup("m", trials=2),
            "nothing but the baseline ran well",
        ),
        (
            [recorded(1, 10, threads=2)],
            Setup("m", trials=2),
            "nothing that was tried differs from the baseline",
        ),
        (
            [*AT_8, recorded(3, outcome=Outcome.CRASHED, mode="fast")],
            Setup("m", trials=4),
            "nothing but the baseline ran well at this batch size",
        ),
        (
            [recorded(1, 30, mode="fast")],
            Setup("m", trials=2, objective="throughput", max_latency_ms=20.0),
            "nothing but the baseline keeps the limit of latency",
        ),
    ],
)
def test_where_there_is_no_other_it_says_why(
    searched: list[RecordedRun], asked: Setup, why: str
) -> None:
    summary = summarize(study_record(asked), [recorded(0, 10), *searched])
    assert str(judge(summary).reason) == why


def test_the_claim_is_the_median_ratio_of_pairs_which_drift_does_not_touch() -> None:
    _, summary = confirmed(SEARCHED, of_mode(5.0))
    judgement = judge(summary)
    comparison, interval = judgement.comparison, judgement.comparison.interval
    assert (comparison.verdict, judgement.reason, comparison.runs) == ("faster", None, (6, 6))
    assert comparison.speedup == pytest.approx(2.0)
    assert interval is not None
    assert (interval.low, interval.high) == (2.0, 2.0)
    assert interval.coverage == 0.9688  # 1 - 2/64
    assert judgement.baseline.latency_ms == pytest.approx(12.5)  # of the hold-out's runs alone
    assert (len(judgement.best.runs), len(judgement.baseline.runs)) == (6, 6)


@pytest.mark.parametrize(
    ("fast_ms", "expected"), [(5.0, "faster"), (10.05, "same"), (12.0, "slower")]
)
def test_what_the_search_promised_does_not_matter(fast_ms: float, expected: str) -> None:
    _, summary = confirmed(SEARCHED, of_mode(fast_ms))
    assert judge(summary).verdict == expected


@pytest.mark.parametrize(
    "host",
    [
        lambda number: 1 + 0.01 * number,  # slower and slower
        lambda number: 1.5 - 0.01 * number,  # it recovers
        lambda number: 1.3 if number >= 20 else 1.0,  # a neighbour comes, and stays
        lambda number: 1 + 0.1 * (number % 3),  # in a rhythm that is not that of pairs
    ],
)
def test_a_host_that_drifts_makes_no_win_of_knobs_that_do_nothing(
    host: Callable[[int], float],
) -> None:
    numbers = itertools.count()
    _, summary = confirmed(SEARCHED, lambda _: 10.0 * host(next(numbers)))
    assert judge(summary).verdict != "faster"


def test_one_pair_against_it_makes_a_win_of_six_pairs_unclear() -> None:
    def answer(step: NextRun) -> float:
        slow = step.role == Role.HOLD_OUT and step.block == 3
        return (12.0 if slow else 5.0) if SPACE.changed(step.configuration) else 10.0

    _, summary = confirmed(SEARCHED, answer)
    comparison, interval = judge(summary).comparison, judge(summary).comparison.interval
    assert comparison.verdict == "unclear"
    assert interval is not None
    assert (interval.low, interval.high) == (round(10 / 12, 4), 2.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.011, 1.5, "faster"),
        (1.01, 1.5, "unclear"),
        (0.991, 1.009, "same"),
        (0.98, 1.005, "unclear"),
        (0.5, 0.99, "slower"),
        (0.9, 1.1, "unclear"),
    ],
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, expected: str) -> None:
    assert verdict(low, high) == expected


def test_without_fresh_runs_nothing_is_confirmed() -> None:
    judgement = judge(summarize(study_record(), SEARCHED))
    search = judgement.comparison
    assert (search.verdict, str(judgement.reason)) == ("not confirmed", "no fresh runs were made")
    assert (search.speedup, search.pairs, search.interval) == (5.0, 0, None)


def test_too_few_pairs_confirm_nothing() -> None:
    _, summary = confirmed(SEARCHED, of_mode(5.0))
    cut_short = summarize(summary.study, [*SEARCHED, *summary.confirmation_runs[:-1]])
    assert judge(cut_short).verdict == "not confirmed"
    assert str(judge(cut_short).reason) == "5 pairs of fresh runs are there, 6 are needed"


def test_between_two_looks_the_earlier_one_counts() -> None:
    def answer(step: NextRun) -> float:
        slow = step.role == Role.HOLD_OUT and step.block == 3
        return (12.0 if slow else 5.0) if SPACE.changed(step.configuration) else 10.0

    _, summary = confirmed(SEARCHED, answer, confirm="auto")
    assert (judge(summary).verdict, judge(summary).comparison.pairs) == ("faster", 16)
    cut_short = summarize(summary.study, [*SEARCHED, *summary.confirmation_runs[:-2]])
    assert (judge(cut_short).verdict, judge(cut_short).comparison.pairs) == ("unclear", 8)


def test_a_winner_that_fails_in_the_hold_out_is_unclear() -> None:
    def answer(step: NextRun) -> float | Outcome:
        if step.role == Role.HOLD_OUT and step.block == 2 and SPACE.changed(step.configuration):
            return Outcome.WRONG_OUTPUT
        return 5.0 if SPACE.changed(step.configuration) else 10.0

    _, summary = confirmed(SEARCHED, answer)
    judgement = judge(summary)
    assert judgement.verdict == "unclear"
    assert str(judgement.reason) == "the winner failed when measured again: wrong_output"


def test_finalists_that_all_fail_again_are_unclear() -> None:
    def answer(step: NextRun) -> float | Outcome:
        return Outcome.CRASHED if SPACE.changed(step.configuration) else 10.0

    _, summary = confirmed([*SEARCHED, recorded(9, 9.0, spin="on")], answer)
    judgement = judge(summary)
    assert (judgement.verdict, str(judgement.reason)) == (
        "unclear",
        "every finalist failed when measured again",
    )


def test_a_pair_that_the_baseline_spoiled_is_made_again() -> None:
    def answer(step: NextRun) -> float | Outcome:
        if step.role == Role.HOLD_OUT and step.block == 2 and not SPACE.changed(step.configuration):
            return Outcome.CRASHED
        return 5.0 if SPACE.changed(step.configuration) else 10.0

    steps, summary = confirmed(SEARCHED, answer, pairs=8)
    assert max(s.block for s in steps if s.role == Role.HOLD_OUT) == 8
    assert (judge(summary).verdict, judge(summary).comparison.pairs) == ("faster", 8)


def test_runs_far_apart_are_no_pair() -> None:
    _, summary = confirmed(SEARCHED, of_mode(5.0))
    late = summary.confirmation_runs[-1]
    moved = replace(late.run, started_at=late.run.started_at + timedelta(hours=1))
    runs = [*SEARCHED, *summary.confirmation_runs[:-1], replace(late, run=moved)]
    reason = judge(summarize(summary.study, runs)).reason
    assert str(reason).startswith("5 pairs of fresh runs")


def test_what_was_begun_is_finished_although_another_would_win_now() -> None:
    _, summary = confirmed(SEARCHED, of_mode(5.0))
    lucky = recorded(1, 0.1, spin="on")  # of the same trial: the search is no longer for it
    later = summarize(summary.study, [*SEARCHED, lucky, *summary.confirmation_runs])
    best = contender(later)
    assert best is not None
    assert later.space.changed(best) == {"mode": "fast"}
    assert judge(later).comparison.pairs == 6


def test_another_plan_takes_what_earlier_looks_may_have_erred() -> None:
    _, summary = confirmed(SEARCHED, of_mode(5.0), confirm="auto")
    assert spent(summary) == 2 / 2**8
    setup = {**summary.study.setup, "confirm": "12", "spent": spent(summary)}
    later = replace(summary, study=replace(summary.study, setup=setup))
    assert later.looks == (Look(12, 0.05 - 2 / 2**8),)
    setup["spent"] = 0.2  # used up: a look needs at least 8 pairs then
    setup["confirm"] = "6"
    later = replace(summary, study=replace(summary.study, setup=setup))
    assert later.looks == (Look(8, 0.01),)


def test_a_study_without_a_good_baseline_has_no_verdict() -> None:
    with pytest.raises(StudyConflictError, match="no good run of the baseline"):
        judge(summarize(study_record(), [recorded(0, outcome=Outcome.CRASHED)]))
