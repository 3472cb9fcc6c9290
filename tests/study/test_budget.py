"""How many trials a time budget leaves room for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.in_heats import baseline_heat
from tests.support.runs import next_runs, recorded, study_record
from tuner.errors import UsageError
from tuner.evidence.summary import summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun, elapsed_s
from tuner.study.budget import confirmation_s, noise_found, wanted_trials
from tuner.worker.protocol import Outcome

# Every run takes 1 s (fakes.recorded); the confirmation 4 blocks of 6 runs, 8 pairs: 40 s.
RUNS = [recorded(0, 10), recorded(0, 10.2), recorded(1, 4, mode="fast")]


def wanted(budget_s: float, runs: list[RecordedRun], confirm: str = "auto") -> int:
    record = study_record(Setup("m", confirm=confirm, budget_s=budget_s))
    return wanted_trials(summarize(record, runs), budget_s, runs)


def test_the_confirmation_is_kept_back() -> None:
    assert wanted(100, RUNS) == 2 + (100 - 3 - 40)
    assert wanted(100, RUNS, confirm="off") == 2 + (100 - 3)


def test_slower_runs_leave_room_for_fewer() -> None:
    slow = [replace(r, run=replace(r.run, wall_ns=2 * 10**9)) for r in RUNS]
    assert wanted(100, slow) == 2 + (100 - 6 - 80) // 2


def test_a_budget_that_is_used_up_ends_the_search() -> None:
    assert wanted(20, RUNS) == 2


def test_once_the_confirmation_has_begun_the_search_is_over() -> None:
    summary = summarize(study_record(), RUNS)
    step = next_runs(summary)[0]
    again = recorded(step.trial, 10, Outcome.OK, step, **step.configuration)
    spec = replace(again.run.spec, after_trials=2)
    runs = [*RUNS, replace(again, run=replace(again.run, spec=spec))]
    assert wanted(1000, runs) == 2


def test_the_noise_and_what_it_means_are_told() -> None:
    runs = [recorded(0, ms) for ms in (9.8, 10.0, 10.2)]
    asked = Setup("m", target_effect=0.05)
    summary = summarize(study_record(asked), runs)
    assert confirmation_s(summary, runs) == 42
    assert noise_found(summary, runs) == [
        "noise: 3 runs of the baseline differ by 2.0%; 8 pairs of fresh runs can show a gain from "
        "6.6% upwards; 9 pairs of fresh runs can show a gain from 4.9% upwards",
        "for --target-effect 5.0% up to 9 pairs are planned, about 18 s",
    ]


def test_one_run_says_nothing_of_the_noise() -> None:
    assert noise_found(summarize(study_record(), RUNS[:1]), RUNS[:1]) == []


def test_a_budget_that_is_too_short_is_said_to_be() -> None:
    asked = Setup("m", budget_s=30, confirm="6")
    runs = RUNS[:1]
    assert noise_found(summarize(study_record(asked), runs), runs) == [
        "warning: --budget is too short: presets and confirmation alone take about 42 s"
    ]


def test_a_target_effect_plans_the_confirmation_alone() -> None:
    with pytest.raises(UsageError, match="must be above 1%"):
        Setup("m", target_effect=0.005).validated()
    with pytest.raises(UsageError, match=r"leave out confirm \(--confirm\)"):
        Setup("m", target_effect=0.02, confirm="8").validated()


def test_a_study_in_turns_is_told_what_the_host_moved_by_and_what_ratios_of_pairs_do() -> None:
    heats = [*baseline_heat(1, 10, 10), *baseline_heat(2, 20, 22), *baseline_heat(3, 10, 12.1)]
    summary = summarize(study_record(Setup("m", trials=10, heat_size=3)), heats)
    (line,) = noise_found(summary, heats)
    assert line.startswith("noise: the host moved by 40.0%, ratios by 13.5% (3 runs); 8 pairs of ")


def test_runs_of_a_heat_are_in_the_same_seconds() -> None:
    runs = [recorded(0, 10), *baseline_heat(1, 10, 10, 10), *baseline_heat(2, 10, 10)]
    assert elapsed_s(runs) == 3.0


def test_a_budget_counts_heats_not_their_runs() -> None:
    heats = [run for n in (1, 2, 3) for run in baseline_heat(n, 10, 10, 10)]
    runs = [recorded(0, 10), *heats, recorded(1, 4, mode="fast")]
    # 3 s of heats for 6 runs, half a second each; 5 s are gone.
    assert wanted(100, runs, confirm="off") == 2 + int((100 - 5) / 0.5)
