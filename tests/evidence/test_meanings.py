from dataclasses import replace
from typing import Any

import pytest

from tests.support.runs import SPACE, recorded
from tuner.evidence.meanings import Meanings, meanings
from tuner.runs.records import RecordedRun
from tuner.worker.protocol import Outcome, ReadBack


def reading(run: RecordedRun, **values: tuple[object, bool]) -> RecordedRun:
    """The run with these read-backs: knob -> (value, certain)."""
    backs = {name: ReadBack(value, certain, "seen") for name, (value, certain) in values.items()}
    return replace(run, run=replace(run.run, result=replace(run.run.result, read_back=backs)))


BASELINE = reading(recorded(0, 10.0), threads=(2, True))


def test_a_value_that_reads_back_as_the_baseline_is_the_baseline_under_another_name() -> None:
    meant = meanings(SPACE, [BASELINE, reading(recorded(1, 9.0, threads=1), threads=(2, True))])
    assert meant.inert == {("threads", 1): ReadBack(2, True, "seen")}
    assert meant.identity(SPACE, {**SPACE.baseline(), "threads": 1})["threads"] == "unset"


@pytest.mark.parametrize(
    "others",
    [
        [reading(recorded(1, 9.0, threads=1), threads=(2, False))],  # not certain
        [reading(recorded(1, 9.0, threads=1), threads=(4, True))],  # it did something
        [  # it does nothing in some company only
            reading(recorded(1, 9.0, threads=1), threads=(2, True)),
            reading(recorded(2, 9.0, threads=1, spin="on"), threads=(1, True)),
        ],
        [reading(recorded(1, 9.0, threads=2), threads=(2, True))],  # the default by its name
        [reading(recorded(1, 9.0, Outcome.CRASHED, threads=1), threads=(2, True))],
    ],
)
def test_what_acts_or_may_have_acted_is_not_inert(others: list[RecordedRun]) -> None:
    assert meanings(SPACE, [BASELINE, *others]).inert == {}


def test_nothing_is_known_before_the_baseline_has_run() -> None:
    assert meanings(SPACE, []) == Meanings()


def failure(trial: int, outcome: Outcome = Outcome.CRASHED, **knobs: Any) -> RecordedRun:
    return recorded(trial, 0.0, outcome, **knobs)


TWICE = [failure(1, mode="fast"), failure(2, mode="fast", spin="on")]
SPIN_RAN = recorded(3, 9.0, spin="on")


def test_what_failed_twice_in_different_company_and_never_ran_is_left_out() -> None:
    runs = [BASELINE, *TWICE, SPIN_RAN]
    assert meanings(SPACE, runs).failing == {("mode", "fast"): "crashed: why"}


def test_what_says_that_it_is_unsupported_is_left_out_at_once() -> None:
    # threads=2 is what the baseline has: it is no company, and not to blame.
    runs = [BASELINE, failure(1, Outcome.UNSUPPORTED, mode="fast", threads=2)]
    assert meanings(SPACE, runs).failing == {("mode", "fast"): "unsupported: why"}


@pytest.mark.parametrize(
    "runs",
    [
        [*TWICE, SPIN_RAN, recorded(4, 9.0, mode="fast", threads=1)],  # it ran once
        TWICE,  # spin=on never ran: it may be to blame for the second
        [failure(1, mode="fast"), failure(2, mode="fast"), SPIN_RAN],
        [
            *(failure(n, Outcome.ENVIRONMENT_ERROR, mode="fast", threads=n) for n in (1, 2)),
            recorded(3, 9.0, threads=1),
        ],
    ],
)
def test_what_may_run_yet_is_not(runs: list[RecordedRun]) -> None:
    assert meanings(SPACE, [BASELINE, *runs]).failing == {}
