"""Does a configuration still hold? Every answer, from literal runs and from pretended ones."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from pydantic import ValidationError

from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tests.support.runner import is_fast, runner_of
from tests.support.runs import NextRun, confirmed, recorded
from tuner.cli.common import console_of
from tuner.deploy import best as best_file
from tuner.deploy import check
from tuner.deploy.best import BestConfiguration
from tuner.errors import Interrupted, StudyConflictError, UnfitEnvironmentError, UsageError
from tuner.evidence.conclude import conclude
from tuner.evidence.summary import Summary
from tuner.options import Setup, from_dict, to_dict
from tuner.runs.records import RecordedRun, StudyRecord
from tuner.runs.store import Store
from tuner.space.model import Configuration
from tuner.study.runner import Caller
from tuner.study.session import find_unfinished, new_name
from tuner.views import compare
from tuner.worker.protocol import Outcome, Role

ASKED = Setup("m", trials=2)
FAST: Configuration = {"mode": "fast", "spin": "unset", "threads": "unset", "batch_size": 1}
RUNS = [recorded(0, 10), recorded(1, 4, mode="fast")]


def of(fast_ms: float, base_ms: float = 10.0, spread: float = 0.0) -> Summary:
    """A study of one configuration: its runs and the baseline's in each pair."""

    def answer(step: NextRun) -> float:
        around = 1 + spread * (step.block % 4)
        return fast_ms * around if step.configuration["mode"] == "fast" else base_ms

    return confirmed(RUNS, answer, pairs=8, asked=ASKED, winner=FAST)[1]


def promising(fast_ms: float = 4.0) -> BestConfiguration:
    summary = of(fast_ms)
    return best_file.best_configuration(conclude(summary), summary.study.setup)


def answer(best: BestConfiguration, now: Summary) -> tuple[str, str]:
    found = check.judged(best, now, conclude(now))
    return found.answer, str(found.reason)


def test_it_holds_where_it_is_faster_as_promised() -> None:
    assert answer(promising(), of(4.0)) == ("kept", "faster than the baseline, as it promised")
    assert answer(promising(), of(4.3))[0] == "kept"  # within a tenth of 2.5x


@pytest.mark.parametrize(
    ("now_ms", "reason"),
    [
        (5.0, "less than 90% of what it promised"),  # 2.0x instead of 2.5x
        (10.0, "less than 90% of what it promised"),
        (20.0, "less than 90% of what it promised"),
    ],
)
def test_less_than_it_promised_is_a_regression(now_ms: float, reason: str) -> None:
    assert answer(promising(), of(now_ms)) == ("regression", reason)


def test_a_small_promise_that_turned_around_is_a_regression() -> None:
    small = promising(9.7)
    assert answer(small, of(10.0)) == ("regression", "not faster than the baseline any more")
    assert answer(small, of(10.5)) == ("regression", "not faster than the baseline any more")


def test_noise_gives_no_answer() -> None:
    small = promising(9.7)
    assert answer(small, of(9.0, spread=0.1))[0] == "unclear"


def test_the_latency_limit_is_part_of_the_promise() -> None:
    best = promising()
    assert best.measured_with is not None
    limited = replace(best.measured_with, max_latency_ms=3.9)
    assert answer(best.model_copy(update={"measured_with": limited}), of(4.0)) == (
        "regression", "over the limit of 3.9 ms",
    )  # fmt: skip


def test_pairs_that_are_missing_are_no_regression() -> None:
    def fails(step: NextRun) -> float | Outcome:
        return 4.0 if step.configuration["mode"] == "fast" else Outcome.TIMEOUT

    now = confirmed(RUNS, fails, pairs=8, asked=ASKED, winner=FAST)[1]
    assert answer(promising(), now) == ("unclear", "0 pairs of fresh runs are there, 8 are needed")


def test_a_configuration_that_computes_something_else_is_a_regression() -> None:
    def wrong(step: NextRun) -> float | Outcome:
        return Outcome.WRONG_OUTPUT if step.configuration["mode"] == "fast" else 10.0

    now = confirmed(RUNS, wrong, pairs=8, asked=ASKED, winner=FAST)[1]
    assert answer(promising(), now) == ("regression", "wrong_output: why")


@pytest.mark.parametrize("outcome", [Outcome.UNSUPPORTED, Outcome.CRASHED, Outcome.OUT_OF_MEMORY])
def test_a_configuration_that_cannot_run_is_the_environments_doing(outcome: Outcome) -> None:
    def fails(step: NextRun) -> float | Outcome:
        return outcome if step.configuration["mode"] == "fast" else 10.0

    now = confirmed(RUNS, fails, pairs=8, asked=ASKED, winner=FAST)[1]
    with pytest.raises(UnfitEnvironmentError, match=f"cannot run here: {outcome.value}: why"):
        answer(promising(), now)


def test_the_exit_codes_are_the_promised_ones() -> None:
    assert check.EXIT_CODES == {"kept": 0, "regression": 3, "unclear": 5}
    assert UnfitEnvironmentError.exit_code == 4


def test_it_is_one_run_of_each_then_pairs() -> None:
    runner, specs, lines = runner_of(lambda spec: 4.0 if is_fast(spec) else 10.0)
    check.measure(runner, {"mode": "fast"})
    assert [(s.trial, s.role) for s in specs[:2]] == [(0, Role.BASELINE), (1, Role.SEARCH)]
    assert [(s.role, s.block) for s in specs[2:]] == [
        (Role.HOLD_OUT, pair) for pair in range(8) for _ in range(2)
    ]
    assert lines[:3] == ["0 of 2: baseline unset", "1 of 2: search fast", "0 of 16: hold-out unset"]


def test_what_the_environment_failed_at_first_is_run_again() -> None:
    failures = iter([Outcome.ENVIRONMENT_ERROR, Outcome.OK, Outcome.ENVIRONMENT_ERROR])
    runner, specs, _ = runner_of(lambda _: next(failures, Outcome.OK))
    check.measure(runner, {"threads": 1})
    assert [spec.trial for spec in specs[:5]] == [0, 0, 1, 1, 0]


def test_nothing_is_paired_with_a_configuration_that_fails() -> None:
    runner, specs, _ = runner_of(lambda spec: Outcome.CRASHED if is_fast(spec) else Outcome.OK)
    check.measure(runner, {"mode": "fast"})
    assert [spec.trial for spec in specs] == [0, 1]


def test_what_the_defaults_turn_out_to_be_is_not_paired_with_itself() -> None:
    runner, specs, _ = runner_of(lambda _: Outcome.OK)  # threads read back as 2
    check.measure(runner, {"threads": 2})
    assert [spec.trial for spec in specs] == [0, 1]


@pytest.mark.parametrize(
    ("knobs", "why"),
    [({"surprise": 1}, "there is no knob 'surprise'"), ({"threads": 9}, "threads cannot be 9")],
)
def test_what_cannot_be_set_ends_in_one_line(knobs: Configuration, why: str) -> None:
    runner, specs, _ = runner_of(lambda _: Outcome.OK)
    with pytest.raises(UnfitEnvironmentError, match=f"cannot be set here: {why}"):
        check.measure(runner, knobs)
    assert specs == []


def test_an_environment_that_fails_ends_it_and_nothing_is_resumed() -> None:
    runner, specs, _ = runner_of(lambda _: Outcome.ENVIRONMENT_ERROR)
    with pytest.raises(UnfitEnvironmentError, match="; mend it, then begin anew"):
        check.measure(runner, {"mode": "fast"})
    assert len(specs) == 3


def test_where_it_is_deployed_already_the_baseline_runs_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    best = best_file.load(file(tmp_path, {"openmp_wait": "active"}))
    held = best.model_copy(update={"environment_variables": {"OMP_WAIT_POLICY": "ACTIVE"}})
    assert check.setup_of(held, "b", {}).without == ("OMP_WAIT_POLICY",)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # the user's own: part of the baseline
    assert check.setup_of(held, "b", {}).without == ()


def test_processors_that_are_not_there_are_4(tmp_path: Path) -> None:
    best = best_file.load(file(tmp_path, {"threads": 1}))
    assert best.measured_with is not None
    elsewhere = replace(best.measured_with, cpus=(0, 4096))
    held = best.model_copy(update={"measured_with": elsewhere})
    with pytest.raises(UnfitEnvironmentError, match="measured on processors 0,4096, usable here"):
        check.setup_of(held, "b", {})
    assert check.setup_of(held, "b", {"cpus": (0,)}).cpus == (0,)


def test_a_value_in_brackets_is_shown_as_it_is() -> None:
    best = promising().model_copy(update={"environment": {"torch": "[/usr/lib]"}})
    found = check.judged(best, of(4.0), conclude(of(4.0)))
    console = console_of()
    with console.capture() as shown:
        console.print(compare.check(found))
    assert "[/usr/lib]" in shown.get()


def test_it_tells_how_the_environment_differs() -> None:
    best, now = promising(), of(4.0)
    elsewhere = best.model_copy(update={"environment": {**best.environment, "torch": "2.1.0"}})
    found = check.judged(elsewhere, now, conclude(now))
    assert [(d.name, d.before, d.after) for d in found.environment] == [
        ("torch", "2.1.0", "2.15.0")
    ]
    assert found.to_dict()["exit_code"] == 0


def test_it_is_measured_as_the_study_was() -> None:
    asked = check.setup_of(promising(), "b.yaml", {"python": "/py", "confirm": "8"})
    assert (asked.model, asked.objective, asked.backend) == ("m", "latency", "cpu")
    assert (asked.python, asked.confirm, asked.pins) == ("/py", "8", {"batch_size": "1"})
    assert check.knobs_of(promising()) == {"mode": "fast"}
    assert asked.launch_prefix == asked.env_script == ""
    old = promising().model_copy(update={"measured_with": None})
    with pytest.raises(UsageError, match="write it anew with npu-tune export"):
        check.setup_of(old, "b.yaml", {})


def test_how_workers_are_started_is_not_the_files_to_say() -> None:
    evil = promising()
    asked = check.setup_of(evil, "b.yaml", {})
    assert (asked.python, asked.launch_prefix, asked.env_script) == ("", "", "")
    data = evil.model_dump(mode="json")
    with pytest.raises(ValidationError, match="not to be there: python"):
        BestConfiguration.model_validate(
            {**data, "measured_with": {**data["measured_with"], "python": "/evil"}}
        )


def file(folder: Path, configuration: dict[str, Any]) -> Path:
    """An exported file about a model, with a promise of 2.5x."""
    asked = Setup("m.py:make", backend="cpu", folder=str(folder))
    best = promising()
    made = best.model_copy(
        update={
            "backend": "cpu",
            "configuration": configuration,
            "environment_variables": {},
            "measured_with": asked,
            "evidence": replace(best.evidence, batch_size=1),
        }
    )
    path = folder / "best.yaml"
    path.write_text(yaml.safe_dump(made.model_dump(mode="json")))
    return path


def checked(path: Path, *options: str) -> Result:
    return npu_tune("check", str(path), "--quiet", *options)


def test_a_check_measures_pairs_and_nothing_else(
    tmp_path: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = file(tmp_path, {"threads": 1})
    done = checked(path, "--confirm", "6", *pretend(factors={"threads=1": 0.4}), "--json", "--keep")
    found = json.loads(done.stdout)
    assert (found["exit_code"], done.exit_code, found["answer"]) == (0, 0, "kept"), done.stderr
    assert (found["promised"]["speedup"], found["seen"]["runs"]) == (2.5, [6, 6])
    assert found["seen"]["interval"]["low"] > 2.4
    record, runs = session_of(tmp_path)
    assert record.finished_at is not None
    made = {(r.run.spec.role, r.run.spec.block, r.trial) for r in runs}  # a repeated one once
    assert Counter(role.value for role, _, _ in made) == {
        "baseline": 1, "search": 1, "hold-out": 12,
    }  # fmt: skip


def session_of(folder: Path) -> tuple[StudyRecord, list[RecordedRun]]:
    store = Store(f"sqlite:///{folder}/results/npu-tune.db")
    record, runs = store.study("check-s-1"), store.runs("check-s-1")
    store.close()
    assert record is not None
    return record, runs


def test_an_environment_without_torch_is_4(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare").write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    (tmp_path / "bare").chmod(0o755)
    done = checked(file(tmp_path, {"threads": 1}), "--python", str(tmp_path / "bare"))
    assert done.exit_code == 4, done.output
    assert "has no usable torch" in done.stderr


def test_a_value_that_is_not_here_is_4(
    tmp_path: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = checked(file(tmp_path, {"threads": 4096}), *pretend())
    assert done.exit_code == 4, done.output
    assert "cannot be set here: threads cannot be 4096" in done.stderr


def test_keep_the_defaults_needs_no_run(tmp_path: Path) -> None:
    best = promising().model_copy(update={"recommendation": "keep the defaults"})
    path = tmp_path / "best.yaml"
    best_file.write(best.model_copy(update={"configuration": {}}), path)
    done = checked(path)
    assert (done.exit_code, done.stdout.strip()) == (0, "kept: it keeps the defaults")


def pretended(folder: Path, pretend: Pretend) -> tuple[BestConfiguration, Setup, Store]:
    """A file whose knob still makes it 2.5 times faster, how it is checked, and where."""
    best = best_file.load(file(folder, {"memory_format": "channels_last"}))
    python = pretend(factors={"memory_format=channels_last": 0.4})[1]
    setup = check.setup_of(best, "b.yaml", {"python": python, "confirm": "6"})
    return best, setup, Store(f"sqlite:///{folder}/s.db")


def test_the_fresh_runs_are_a_finished_study_that_can_be_shown(
    tmp_path: Path, pretend: Pretend
) -> None:
    best, setup, store = pretended(tmp_path, pretend)
    result = check.check(best, setup, store, Caller(), keep=True)
    assert result.seen
    assert (result.answer, result.study, result.seen.pairs) == ("kept", "check-s-1", 6)
    command = ["show", "check-s-1", "--storage", f"sqlite:///{tmp_path}/s.db"]
    shown = npu_tune(*command)
    assert (shown.exit_code, "memory_format=channels_last" in shown.output) == (0, True)


def test_an_interrupted_check_begins_anew(tmp_path: Path, pretend: Pretend) -> None:
    best, setup, store = pretended(tmp_path, pretend)
    caller = Caller(stop=lambda: len(store.runs("check-s-1")) == 4)
    with pytest.raises(Interrupted, match="stopped: a check begins anew"):
        check.check(best, setup, store, caller, keep=True)
    with pytest.raises(StudyConflictError, match="there is no unfinished study"):
        find_unfinished(store)
    assert new_name(store, replace(setup, model="check-s")) == "check-s-2"


def test_a_check_leaves_no_study(tmp_path: Path, pretend: Pretend) -> None:
    best, setup, store = pretended(tmp_path, pretend)
    told: list[str] = []
    result = check.check(best, setup, store, Caller(note=told.append))
    assert (result.answer, result.study) == ("kept", "")
    assert told[0] == (
        "m.py:make: one configuration against the baseline, objective latency; --keep keeps the "
        "runs as a study"
    )
    assert store.studies() == []


def test_an_interrupted_check_leaves_no_study(tmp_path: Path, pretend: Pretend) -> None:
    best, setup, store = pretended(tmp_path, pretend)
    with pytest.raises(Interrupted, match="stopped: a check begins anew"):
        check.check(best, setup, store, Caller(stop=lambda: bool(store.runs("check-s-1"))))
    assert store.studies() == []


def test_a_check_whose_baseline_fails_keeps_what_its_error_names(
    tmp_path: Path, pretend: Pretend
) -> None:
    best, setup, store = pretended(tmp_path, pretend)
    pretend(failures={"role=baseline": {"exit": 3, "message": "no such layer"}})
    with pytest.raises(UnfitEnvironmentError, match="npu-tune rerun check-s-1 --trial 0"):
        check.check(best, setup, store, Caller())
    assert [record.name for record in store.studies()] == ["check-s-1"]


def test_the_options_of_an_earlier_versions_check_are_read() -> None:
    assert from_dict({**to_dict(Setup("m")), "only": {"mode": "fast"}}) == Setup("m")
