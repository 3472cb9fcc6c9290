"""Runs that are to be compared: in their order, one record each, and when it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.heats import Heats, study_of
from tests.support.runner import is_fast, runner_of
from tests.support.runs import SPACE, recorded, study_record
from tuner.errors import BaselineError, Interrupted, UnfitEnvironmentError
from tuner.runs.records import StudyFacts
from tuner.space.model import Configuration
from tuner.study.heats import Entry
from tuner.study.runner import Runner
from tuner.study.together import baseline_failure, measure, measure_together, require_fit
from tuner.worker.facts import Memory, ProbeFacts
from tuner.worker.protocol import InputSpec, ModelSpec, Outcome, Role

FAST: Configuration = {**SPACE.baseline(), "mode": "fast"}


def pair(runner: Runner, number: int = 0) -> list[Entry]:
    sides = (0, SPACE.baseline()), (1, FAST)
    return [Entry(runner, trial, side, Role.HOLD_OUT, number) for trial, side in sides]


def test_a_pair_is_made_in_its_order_and_told() -> None:
    runner, specs, lines = runner_of()
    records = measure_together(pair(runner, 3), 6, 16)
    assert [(s.trial, s.role, s.block) for s in specs] == [
        (0, Role.HOLD_OUT, 3), (1, Role.HOLD_OUT, 3),
    ]  # fmt: skip
    assert [r.configuration for r in records] == [SPACE.baseline(), FAST]
    assert lines == ["6 of 16: hold-out unset", "7 of 16: hold-out fast"]


def test_a_run_that_confirms_says_how_long_the_search_was() -> None:
    runner, specs, _ = runner_of()
    measure_together([Entry(runner, 0, SPACE.baseline(), Role.BASELINE)], 0, 2)
    measure_together([Entry(runner, 1, FAST, Role.SEARCH)], 1, 2)
    measure_together(pair(runner), 0, 16)
    assert [spec.after_trials for spec in specs] == [0, 0, 2, 2]


def test_a_stop_ends_it_between_two_runs_and_what_was_made_is_kept() -> None:
    runner, specs, _ = runner_of(stop_after=1)
    with pytest.raises(Interrupted):
        measure_together(pair(runner), 0, 16)
    assert len(specs) == len(runner.runs) == 1


def test_a_configuration_that_fails_ends_nothing() -> None:
    runner, _, _ = runner_of(lambda spec: Outcome.OK if is_fast(spec) else Outcome.CRASHED)
    records = measure_together(pair(runner), 0, 16)
    assert [r.outcome for r in records] == [Outcome.CRASHED, Outcome.OK]


def test_what_the_runs_say_is_computed_once_for_as_many_runs_and_for_each_setup() -> None:
    runner, _, _ = runner_of(lambda _: Outcome.OK)
    first = runner.summary()
    assert runner.summary() is first
    measure_together(pair(runner), 0, 16)
    second = runner.summary()
    assert (first.trials_done, second.trials_done) == (0, 2)
    runner.keep_heat_size(5)
    assert (second.in_turns, runner.summary().in_turns) == (False, True)


def test_an_environment_that_fails_three_times_in_a_row_ends_it() -> None:
    outcomes = iter([Outcome.ENVIRONMENT_ERROR, Outcome.OK])
    runner, specs, _ = runner_of(lambda _: next(outcomes, Outcome.ENVIRONMENT_ERROR))
    runner.again = "npu-tune again"
    with pytest.raises(UnfitEnvironmentError, match="; mend it, then npu-tune again"):
        measure_together([*pair(runner), *pair(runner, 1), *pair(runner, 2)], 0, 16)
    assert len(specs) == 5


def test_a_baseline_that_does_not_run_ends_it() -> None:
    runner, specs, _ = runner_of(lambda _: Outcome.CRASHED)
    with pytest.raises(BaselineError, match="the baseline run ended as crashed: why"):
        measure_together([Entry(runner, 0, SPACE.baseline(), Role.BASELINE)] * 2, 0, 2)
    assert len(specs) == 1


def test_a_baseline_that_computes_something_else_in_another_process_is_not_called_unfit() -> None:
    runner, _, _ = runner_of(lambda _: Outcome.WRONG_OUTPUT)
    with pytest.raises(BaselineError) as error:
        measure_together([Entry(runner, 0, SPACE.baseline(), Role.BASELINE)], 0, 2)
    assert "another process computes something else from the same weights" in str(error.value)
    assert "must run as it is" not in str(error.value)


FACTS = ProbeFacts(batch_size=3, inputs=["3x4:float32"])
AS_IT_IS = "the model must run as it is before it can be tuned"


@pytest.mark.parametrize(
    ("changes", "outcome", "blame"),
    [
        ({}, Outcome.CRASHED, f"nothing was set and nothing of it was changed: {AS_IT_IS}"),
        ({"batch_size": 3}, Outcome.CRASHED, f"nothing of it was changed: {AS_IT_IS}"),
        (
            {"batch_size": 8},
            Outcome.CRASHED,
            "nothing was set, but this tool had changed the batch size of its inputs from 3 to 8: "
            "--set batch_size=3 leaves them as they are",
        ),
        (
            {"model": ModelSpec("python_file", "m", inputs=[InputSpec([3, 4])])},
            Outcome.CRASHED,
            "this tool had made its inputs, 3x4:float32, of random values: give other shapes with "
            "--input, or have a factory return (model, inputs)",
        ),
        (
            {"model": ModelSpec("torchvision", "m"), "batch_size": 8},
            Outcome.UNSUPPORTED,
            "changed the batch size of its inputs from 3 to 8 and made its inputs, 3x4:float32, of",
        ),
        (
            {"backend": "npu"},
            Outcome.CRASHED,
            "this tool had moved it and its inputs to the NPU: tensors that its forward makes must "
            "take their device from the inputs",
        ),
        (
            {"deadline_s": 30.0},
            Outcome.TIMEOUT,
            "its deadline of 30 s ended it: --timeout gives it longer",
        ),
        (
            {"memory_limit_bytes": 1},
            Outcome.OUT_OF_MEMORY,
            "its --memory-limit ended it: give it more",
        ),
        ({}, Outcome.OUT_OF_MEMORY, AS_IT_IS),
    ],
)
def test_the_model_is_blamed_only_where_nothing_of_it_was_changed(
    changes: dict[str, Any], outcome: Outcome, blame: str
) -> None:
    run = recorded(0, outcome=outcome).run
    fields = {"model": ModelSpec("python_file", "m"), **changes}
    record = replace(study_record(), facts=StudyFacts(FACTS, {}))
    said = baseline_failure(record, 0, replace(run, spec=replace(run.spec, **fields)))
    assert f"{blame}; repeat" in said or (blame.endswith(" of") and blame in said)
    assert (AS_IT_IS in said) is (AS_IT_IS in blame)


def test_errors_of_the_environment_in_a_row_are_counted_whatever_their_companion_did() -> None:
    runner, _, _ = runner_of(lambda _: Outcome.ENVIRONMENT_ERROR)
    entry = Entry(runner, 0, SPACE.baseline(), Role.BASELINE)
    for number in range(3):
        recorded = measure(entry, number, 3)
        part = replace(recorded.run.spec, role=Role.COMPANION, heat=number + 1)
        result = replace(recorded.run.result, outcome=Outcome.OK)
        runner.commit([(SPACE.baseline(), replace(recorded.run, spec=part, result=result))])
        if number < 2:
            require_fit(runner, recorded)
    with pytest.raises(UnfitEnvironmentError, match="3 runs in a row failed"):
        require_fit(runner, recorded)


def test_a_block_is_one_heat_where_memory_allows_and_several_of_a_size_where_not(
    tmp_path: Path,
) -> None:
    heats = Heats(lambda _: 10.0)
    runner = study_of(SPACE, heats, tmp_path, heat="auto", heat_size=3).runner
    entries = [Entry(runner, n, SPACE.baseline(), Role.CONFIRM) for n in range(7)]
    measure_together(entries, 0, 7)
    tight = recorded(0, 10)
    result = replace(tight.run.result, memory=Memory(2**30, 4 * 2**30))
    runner.runs.insert(0, replace(tight, run=replace(tight.run, result=result)))
    measure_together(entries, 0, 7)
    assert [len(specs) for specs, _ in heats.made] == [7, 2, 2, 3]
