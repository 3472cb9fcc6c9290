"""Which runs a confirmation makes, in which order, and which configuration wins."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.support.in_heats import in_heat
from tests.support.runs import SPACE, NextRun, confirmed, next_runs, recorded, study_record
from tuner.evidence.finalists import finalists, next_step, winner
from tuner.evidence.summary import summarize
from tuner.options import Setup
from tuner.space.model import Configuration
from tuner.worker.protocol import Outcome, Role

SEARCHED = [
    recorded(0, 10),
    recorded(1, 4, mode="fast"),
    recorded(2, 5, spin="on"),
    recorded(3, 6, threads=1),
    recorded(4, 7, mode="fast", threads=1),
    recorded(5, 8, mode="fast", spin="on"),
    recorded(6, 9, spin="on", threads=1),
    recorded(7, 1, mode="fast", batch_size=8),
]


def changed(step: NextRun) -> Configuration:
    return SPACE.changed(step.configuration)


def as_searched(step: NextRun) -> float:
    trials = {str(SPACE.changed(r.configuration)): r.trial for r in SEARCHED[:7]}
    return [10.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0][trials[str(changed(step))]]


def test_finalists_are_the_best_five_at_the_batch_size_of_the_best() -> None:
    summary = summarize(study_record(), SEARCHED)
    assert [SPACE.changed(c) for c in finalists(summary)] == [
        {"mode": "fast"},
        {"spin": "on"},
        {"threads": 1},
        {"mode": "fast", "threads": 1},
        {"mode": "fast", "spin": "on"},
    ]


def test_a_preset_that_ran_is_a_finalist_too() -> None:
    summary = summarize(study_record(), SEARCHED)
    space = replace(SPACE, presets={"known": {"spin": "on", "threads": 1}, "never": {"threads": 2}})
    assert [SPACE.changed(c) for c in finalists(replace(summary, space=space))][5:] == [
        {"spin": "on", "threads": 1}
    ]


def test_four_blocks_of_all_then_alternating_pairs() -> None:
    steps, _ = confirmed(SEARCHED, as_searched)
    blocks = [
        [str(changed(s)) for s in steps if s.role == Role.CONFIRM and s.block == block]
        for block in range(4)
    ]
    assert [len(block) for block in blocks] == [6, 6, 6, 6]
    assert len({tuple(block) for block in blocks}) == 4
    assert len({frozenset(block) for block in blocks}) == 1
    pairs = [changed(s) for s in steps if s.role == Role.HOLD_OUT]
    assert pairs == [{}, {"mode": "fast"}, {"mode": "fast"}, {}] * 3
    assert [(s.done, s.total) for s in steps] == [(n, 36) for n in range(36)]


def test_each_run_belongs_to_the_first_trial_of_its_configuration() -> None:
    steps, summary = confirmed(SEARCHED, as_searched)
    assert {s.trial for s in steps if changed(s) == {"spin": "on"}} == {2}
    assert summary.trials_done == 8
    assert summary.best is not None
    assert len(summary.best.runs) == 1


def test_an_interrupted_confirmation_goes_on_where_it_stopped() -> None:
    steps, summary = confirmed(SEARCHED, as_searched)
    for kept in (0, 7, 25):
        runs = [*SEARCHED, *summary.confirmation_runs[:kept]]
        assert next_runs(summarize(summary.study, runs))[0] == steps[kept]


def test_a_step_is_what_is_missing_of_a_block() -> None:
    steps, summary = confirmed(SEARCHED, as_searched)
    for kept, block, missing in ((0, 0, 6), (2, 0, 4), (6, 1, 6), (24, 0, 2), (25, 0, 1)):
        runs = [*SEARCHED, *summary.confirmation_runs[:kept]]
        step = next_step(summarize(summary.study, runs), seed=0)
        assert step is not None
        assert (step.block, step.done, step.total) == (block, kept, 36)
        expected = [(s.trial, s.configuration) for s in steps[kept : kept + missing]]
        assert list(step.runs) == expected


def test_a_study_that_went_on_is_confirmed_anew() -> None:
    _, summary = confirmed(SEARCHED, as_searched)
    runs = [*SEARCHED, *summary.confirmation_runs, recorded(8, 9, spin="on")]
    step = next_runs(summarize(study_record(), runs))[0]
    assert (step.role, step.block, step.done) == (Role.CONFIRM, 0, 0)


def test_what_fails_in_a_block_is_not_measured_again_and_cannot_win() -> None:
    def answer(step: NextRun) -> float | Outcome:
        return Outcome.CRASHED if changed(step) == {"mode": "fast"} else as_searched(step)

    steps, summary = confirmed(SEARCHED, answer)
    assert Counter(str(changed(s)) for s in steps)[str({"mode": "fast"})] == 1
    choice = winner(summary)
    assert choice is not None
    assert SPACE.changed(choice) == {"spin": "on"}


def test_the_lucky_one_of_the_search_does_not_win() -> None:
    def answer(step: NextRun) -> float:
        return 9.9 if changed(step) == {"mode": "fast"} else as_searched(step)

    _, summary = confirmed(SEARCHED, answer)
    choice = winner(summary)
    assert choice is not None
    assert SPACE.changed(choice) == {"spin": "on"}


@pytest.mark.parametrize(("more_ms", "wins"), [(4.03, "fast"), (4.06, "both")])
def test_within_1_percent_the_fewest_knobs_win(more_ms: float, wins: str) -> None:
    def answer(step: NextRun) -> float:
        return {0: 10.0, 1: more_ms}.get(len(changed(step)), 4.0)

    runs = [recorded(0, 10), recorded(1, 4, mode="fast", spin="on"), recorded(2, 4.05, mode="fast")]
    _, summary = confirmed(runs, answer)
    choice = winner(summary)
    assert choice is not None
    expected = {"fast": {"mode": "fast"}, "both": {"mode": "fast", "spin": "on"}}
    assert SPACE.changed(choice) == expected[wins]


def test_a_spike_in_a_block_does_not_decide() -> None:
    def answer(step: NextRun) -> float:
        fast = changed(step) == {"mode": "fast"}
        spiked = fast and step.block == 1 and step.role == Role.CONFIRM
        return 40.0 if spiked else as_searched(step)

    _, summary = confirmed(SEARCHED, answer)
    choice = winner(summary)
    assert choice is not None
    assert SPACE.changed(choice) == {"mode": "fast"}


def test_in_a_heat_finalists_are_held_against_each_other_turn_by_turn() -> None:
    turns_ms = ((10, 200, 10), (4, 100, 6), (5, 110, 5))  # of the baseline and both modes
    runs = [recorded(0, 10), recorded(1, 5, mode="fast"), recorded(2, 5, spin="on")]
    for block in range(4):
        for trial, turns in enumerate(turns_ms):
            run = in_heat(block + 1, turns, Role.CONFIRM, 0, trial, block)
            spec = replace(run.run.spec, after_trials=3)
            configuration = runs[trial].configuration
            run = replace(run, configuration=configuration, run=replace(run.run, spec=spec))
            runs.append(run)
    choice = winner(summarize(study_record(Setup("m", trials=10, heat_size=5)), runs))
    assert choice is not None
    assert SPACE.changed(choice) == {"mode": "fast"}  # 0.91 by turn; as they are 6 against 5


def test_nothing_but_the_baseline_needs_no_confirmation() -> None:
    runs = [recorded(0, 10), recorded(1, outcome=Outcome.CRASHED, mode="fast")]
    assert next_step(summarize(study_record(), runs), seed=0) is None


def test_under_throughput_the_latency_limit_holds_in_fresh_runs_too() -> None:
    setup = Setup("m", objective="throughput", max_latency_ms=20)
    runs = [
        recorded(0, 10),
        recorded(1, 19, batch_size=8),
        recorded(2, 16, mode="fast", batch_size=8),
        recorded(3, 18, spin="on", batch_size=8),
    ]

    def answer(step: NextRun) -> float:
        return 25.0 if changed(step) == {"mode": "fast"} else 18.0

    steps, summary = confirmed(runs, answer, asked=setup)
    choice = winner(summary)
    assert {s.configuration["batch_size"] for s in steps} == {8}
    assert choice is not None
    assert SPACE.changed(choice) == {"spin": "on"}
