"""Runs that are to be compared: in their order, one record each, and when it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.runs import BEGAN, SPACE, recorded, study_record
from tuner.errors import BaselineError, Interrupted, UnfitEnvironmentError
from tuner.options import Setup
from tuner.runs.records import Run
from tuner.runs.store import MemoryStore
from tuner.space.model import Configuration
from tuner.study.runner import Runner
from tuner.study.together import Entry, measure_together
from tuner.worker.protocol import Outcome, Role, TrialSpec

FAST: Configuration = {**SPACE.baseline(), "mode": "fast"}


class Lines:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run_started(self, done: int, total: int, role: Role, configuration: Configuration) -> None:
        self.lines.append(f"{done} of {total}: {role.value} {configuration['mode']}")

    def run_ended(self, recorded: object) -> None:
        """Nothing."""


def runner(
    outcome: Callable[[int], Outcome] = lambda _: Outcome.OK, stop_after: int = 99
) -> tuple[Runner, list[TrialSpec], list[str]]:
    """Whose n-th run ends as `outcome(n)` says; its specs, what its observer was told."""
    specs: list[TrialSpec] = []

    def launch(spec: TrialSpec) -> Run:
        specs.append(spec)
        return Run(spec, recorded(0, 10, outcome(len(specs))).run.result, "", BEGAN, 10**9)

    observer = Lines()
    made = Runner(
        study_record(), Setup("m"), SPACE, MemoryStore(), launch, observer,
        lambda: len(specs) >= stop_after, Path("/nowhere"),
    )  # fmt: skip
    return made, specs, observer.lines


def hold_out(study: Runner, pair: int = 0) -> list[Entry]:
    sides = (0, SPACE.baseline()), (1, FAST)
    return [Entry(study, trial, side, Role.HOLD_OUT, pair) for trial, side in sides]


def test_a_pair_is_made_in_its_order_and_told() -> None:
    study, specs, lines = runner()
    records = measure_together(hold_out(study, pair=3), 6, 16)
    assert [(s.trial, s.role, s.block) for s in specs] == [
        (0, Role.HOLD_OUT, 3), (1, Role.HOLD_OUT, 3),
    ]  # fmt: skip
    assert [r.configuration for r in records] == [SPACE.baseline(), FAST]
    assert lines == ["6 of 16: hold-out unset", "7 of 16: hold-out fast"]


def test_a_run_that_confirms_says_how_long_the_search_was() -> None:
    study, specs, _ = runner()
    measure_together([Entry(study, 0, SPACE.baseline(), Role.BASELINE)], 0, 2)
    measure_together([Entry(study, 1, FAST, Role.SEARCH)], 1, 2)
    measure_together(hold_out(study), 0, 16)
    assert [spec.after_trials for spec in specs] == [0, 0, 2, 2]


def test_a_stop_ends_it_between_two_runs_and_what_was_made_is_kept() -> None:
    study, specs, _ = runner(stop_after=1)
    with pytest.raises(Interrupted):
        measure_together(hold_out(study), 0, 16)
    assert len(specs) == len(study.runs) == 1


def test_a_configuration_that_fails_ends_nothing() -> None:
    study, _, _ = runner(lambda number: Outcome.CRASHED if number == 1 else Outcome.OK)
    records = measure_together(hold_out(study), 0, 16)
    assert [r.outcome for r in records] == [Outcome.CRASHED, Outcome.OK]


def test_an_environment_that_fails_three_times_in_a_row_ends_it() -> None:
    study, specs, _ = runner(
        lambda number: Outcome.OK if number == 2 else Outcome.ENVIRONMENT_ERROR
    )
    with pytest.raises(UnfitEnvironmentError, match="3 runs in a row failed"):
        measure_together([*hold_out(study), *hold_out(study, 1), *hold_out(study, 2)], 0, 16)
    assert len(specs) == 5


def test_a_baseline_that_does_not_run_ends_it() -> None:
    study, specs, _ = runner(lambda _: Outcome.CRASHED)
    with pytest.raises(BaselineError, match="the baseline run ended as crashed: why"):
        measure_together([Entry(study, 0, SPACE.baseline(), Role.BASELINE)] * 2, 0, 2)
    assert len(specs) == 1
