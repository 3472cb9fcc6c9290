"""When the hold-out ends, and what its looks may err."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.runs import SPACE, NextRun, confirmed, recorded, study_record
from tuner.evidence.intervals import LOOKS, Look, comparison_of, effect_shown, pairs_to_show
from tuner.evidence.stats import error_of, interval_rank
from tuner.evidence.summary import summarize
from tuner.evidence.verdict import judge
from tuner.options import Setup
from tuner.worker.protocol import Role

SEARCHED = [recorded(0, 10), recorded(1, 5, mode="fast")]


def fast_in(step: NextRun, latencies_ms: list[float]) -> float:
    """The winner's latency in each pair, in turn; 10 ms of the baseline."""
    if not SPACE.changed(step.configuration):
        return 10.0
    return latencies_ms[step.block % len(latencies_ms)] if step.role == Role.HOLD_OUT else 5.0


def hold_out_pairs(latencies_ms: list[float]) -> tuple[int, str]:
    steps, summary = confirmed(SEARCHED, lambda step: fast_in(step, latencies_ms), confirm="auto")
    pairs = len([s for s in steps if s.role == Role.HOLD_OUT]) // 2
    return pairs, judge(summary).verdict


def test_a_clear_answer_ends_at_the_first_look() -> None:
    assert hold_out_pairs([5.0]) == (8, "faster")
    assert hold_out_pairs([10.0]) == (8, "same")
    assert hold_out_pairs([20.0]) == (8, "slower")


def test_what_does_not_look_better_is_not_pursued() -> None:
    assert hold_out_pairs([10.0, 12.0, 9.0]) == (8, "unclear")


def test_what_looks_better_goes_on_to_the_next_look() -> None:
    one_of_8_against = [8.0] * 7 + [11.0]
    assert hold_out_pairs(one_of_8_against) == (16, "faster")
    assert hold_out_pairs([8.0, 8.0, 11.0, 8.0]) == (24, "faster")
    assert hold_out_pairs([8.0, 8.0, 11.0]) == (24, "unclear")


def test_the_looks_together_err_no_more_than_5_percent() -> None:
    assert sum(look.alpha for look in LOOKS) == pytest.approx(0.05)
    errors = [error_of(interval_rank(look.pairs, look.alpha), look.pairs) for look in LOOKS]
    assert errors == [2 / 2**8, 2 * (1 + 16 + 120) / 2**16, pytest.approx(0.02266, abs=1e-5)]


def test_an_interval_after_several_looks_says_what_all_of_them_may_err() -> None:
    def answer(step: NextRun) -> float:
        return fast_in(step, [8.0] * 7 + [11.0])

    _, summary = confirmed(SEARCHED, answer, confirm="auto")
    interval = judge(summary).comparison.interval
    assert interval is not None
    assert interval.coverage == round(1 - 2 / 2**8 - 2 * (1 + 16 + 120) / 2**16, 4)


def test_the_pairs_that_show_an_effect_grow_with_the_noise() -> None:
    assert [pairs_to_show(0.02, spread, 0.04) for spread in (0.0, 0.01, 0.02, 0.5)] == [
        8,
        33,
        100,
        100,
    ]
    assert effect_shown(8, 0.05, 0.01) == pytest.approx(0.1568, abs=1e-4)  # all 8: 0.8 ** (1 / 8)
    assert effect_shown(24, 0.05, 0.0275) == pytest.approx(0.0711, abs=1e-4)


def test_a_target_effect_plans_one_more_look() -> None:
    runs = [recorded(0, 9.9), recorded(0, 10.0), recorded(0, 10.1), recorded(1, 5, mode="fast")]
    summary = summarize(study_record(Setup("m", target_effect=0.02)), runs)
    assert summary.looks == (Look(8, 0.01), Look(33, 0.04))


def test_what_is_not_paired_has_no_pairs() -> None:
    paired = comparison_of([0.1] * 6)
    assert paired is not None
    assert (paired.verdict, paired.speedup, paired.runs, paired.pairs) == (
        "faster", 1.1052, (6, 6), 6,
    )  # fmt: skip
    assert replace(paired, paired=False).pairs == 0
    assert comparison_of([0.1] * 5) is None
