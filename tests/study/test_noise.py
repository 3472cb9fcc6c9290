"""The baseline against itself: how many pairs, and what they are made of."""

from __future__ import annotations

from itertools import count

import pytest

from tests.support.runner import runner_of
from tuner.errors import BaselineError, Interrupted, UnfitEnvironmentError
from tuner.evidence.pairs import equal_pairs
from tuner.study.noise import fitting, measure
from tuner.worker.protocol import Outcome, Role


def seconds(step: float) -> count[float]:
    """A clock that is read once a pair, and twice before."""
    return count(0.0, step)


@pytest.mark.parametrize(
    ("pairs", "passed_s", "fit"),
    [(1, 10.0, 10), (2, 10.0, 20), (1, 60.0, 4), (1, 1.0, 24), (1, 0.0, 24)],
)
def test_as_many_pairs_as_fit_into_the_time_but_at_least_four(
    pairs: int, passed_s: float, fit: int
) -> None:
    assert fitting(pairs, passed_s, 100.0) == fit


def test_a_runner_without_company_measures_one_run_after_the_other() -> None:
    runner, specs, _ = runner_of()
    heat = measure(runner, seconds(15.0).__next__)
    assert (heat.size, runner.setup.heat_size, runner.in_turns) == (1, 1, False)
    assert (specs[0].role, specs[0].block) == (Role.BASELINE, 0)
    # The first run took 15 s, and each pair as long: 85 s hold five.
    assert [(s.role, s.block) for s in specs[1:]] == [
        (Role.HOLD_OUT, number) for number in range(5) for _ in range(2)
    ]
    assert len(equal_pairs(runner.summary())) == 5


def test_the_first_run_s_time_is_taken_off() -> None:
    runner, specs, _ = runner_of()
    measure(runner, seconds(20.0).__next__)
    assert len(specs) == 1 + 2 * 4


def test_a_baseline_that_fails_ends_it() -> None:
    outcomes = iter([Outcome.OK, Outcome.OK, Outcome.CRASHED])
    runner, _, _ = runner_of(lambda _: next(outcomes))
    with pytest.raises(BaselineError, match="the baseline run ended as crashed"):
        measure(runner)


def test_what_the_environment_failed_is_no_pair() -> None:
    outcomes = iter([Outcome.OK, Outcome.ENVIRONMENT_ERROR])
    runner, _, _ = runner_of(lambda _: next(outcomes, Outcome.OK))
    measure(runner, seconds(30.0).__next__)
    assert len(equal_pairs(runner.summary())) == 3


def test_an_environment_that_fails_three_times_in_a_row_ends_it() -> None:
    outcomes = iter([Outcome.OK])
    runner, _, _ = runner_of(lambda _: next(outcomes, Outcome.ENVIRONMENT_ERROR))
    with pytest.raises(UnfitEnvironmentError, match="3 runs in a row failed"):
        measure(runner)


def test_a_stop_ends_it_between_two_runs() -> None:
    runner, specs, _ = runner_of(stop_after=3)
    with pytest.raises(Interrupted):
        measure(runner)
    assert len(specs) == 3
