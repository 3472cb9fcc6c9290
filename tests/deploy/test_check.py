"""Does a configuration still hold? Every answer, from literal runs, and once for real."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from tests.support import DATA
from tests.support.runs import NextRun, confirmed, recorded
from tuner.cli.common import console_of
from tuner.deploy import best as best_file
from tuner.deploy import check
from tuner.deploy.best import BestConfiguration
from tuner.errors import UnfitEnvironmentError, UsageError
from tuner.evidence.conclude import conclude
from tuner.evidence.summary import Summary
from tuner.options import Setup, to_dict
from tuner.runs.records import RecordedRun, StudyRecord
from tuner.runs.store import Store
from tuner.views import compare
from tuner.worker.protocol import Outcome, Role

ASKED = Setup("m", trials=2, only={"mode": "fast"})
RUNS = [recorded(0, 10), recorded(1, 4, mode="fast")]
MAIN = [sys.executable, "-c", "from tuner.cli.main import main; main()"]


def of(fast_ms: float, base_ms: float = 10.0, spread: float = 0.0) -> Summary:
    """A study of one configuration: its runs and the baseline's in each pair."""

    def answer(step: NextRun) -> float:
        around = 1 + spread * (step.block % 4)
        return fast_ms * around if step.configuration["mode"] == "fast" else base_ms

    return confirmed(RUNS, answer, pairs=8, asked=ASKED)[1]


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
    limited = best.measured_with.model_copy(update={"max_latency_ms": 3.9})
    assert answer(best.model_copy(update={"measured_with": limited}), of(4.0)) == (
        "regression", "over the limit of 3.9 ms",
    )  # fmt: skip


def test_pairs_that_are_missing_are_no_regression() -> None:
    def fails(step: NextRun) -> float | Outcome:
        return 4.0 if step.configuration["mode"] == "fast" else Outcome.TIMEOUT

    now = confirmed(RUNS, fails, pairs=8, asked=ASKED)[1]
    assert answer(promising(), now) == ("unclear", "0 pairs of fresh runs are there, 8 are needed")


def test_a_configuration_that_computes_something_else_is_a_regression() -> None:
    def wrong(step: NextRun) -> float | Outcome:
        return Outcome.WRONG_OUTPUT if step.configuration["mode"] == "fast" else 10.0

    now = confirmed(RUNS, wrong, pairs=8, asked=ASKED)[1]
    assert answer(promising(), now) == ("regression", "wrong_output: why")


@pytest.mark.parametrize("outcome", [Outcome.UNSUPPORTED, Outcome.CRASHED, Outcome.OUT_OF_MEMORY])
def test_a_configuration_that_cannot_run_is_the_environments_doing(outcome: Outcome) -> None:
    def fails(step: NextRun) -> float | Outcome:
        return outcome if step.configuration["mode"] == "fast" else 10.0

    now = confirmed(RUNS, fails, pairs=8, asked=ASKED)[1]
    with pytest.raises(UnfitEnvironmentError, match=f"cannot run here: {outcome.value}: why"):
        answer(promising(), now)


def test_the_exit_codes_are_the_promised_ones() -> None:
    assert check.EXIT_CODES == {"kept": 0, "regression": 3, "unclear": 5}
    assert UnfitEnvironmentError.exit_code == 4


def test_the_only_configuration_goes_straight_to_the_hold_out() -> None:
    steps, _ = confirmed(RUNS, lambda _: 10.0, pairs=8, asked=ASKED)
    assert [step.role for step in steps] == [Role.HOLD_OUT] * 16
    assert steps[0].total == 16


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
    elsewhere = best.measured_with.model_copy(update={"cpus": (0, 4096)})
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
    assert asked.only == {"mode": "fast"}
    assert asked.launch_prefix == asked.env_script == ""
    old = promising().model_copy(update={"measured_with": None})
    with pytest.raises(UsageError, match="write it anew with npu-tune export"):
        check.setup_of(old, "b.yaml", {})


def test_how_workers_are_started_is_not_the_files_to_say() -> None:
    evil = promising()
    asked = check.setup_of(evil, "b.yaml", {})
    assert (asked.python, asked.launch_prefix, asked.env_script) == ("", "", "")
    data = evil.model_dump(mode="json")
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        BestConfiguration.model_validate(
            {**data, "measured_with": {**data["measured_with"], "python": "/evil"}}
        )


def file(folder: Path, configuration: dict[str, Any]) -> Path:
    """An exported file about a tiny model, with a promise of 2.5x."""
    asked = Setup(f"{DATA}/models/tiny.py:convnet", backend="cpu", folder=str(folder))
    best = promising()
    made = best.model_copy(
        update={
            "backend": "cpu",
            "configuration": configuration,
            "environment_variables": {},
            "measured_with": best_file.MeasuredWith(
                **{
                    n: v
                    for n, v in to_dict(asked).items()
                    if n in best_file.MeasuredWith.model_fields
                }
            ),
            "evidence": replace(best.evidence, batch_size=1),
        }
    )
    path = folder / "best.yaml"
    path.write_text(yaml.safe_dump(made.model_dump(mode="json")))
    return path


def checked(path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [*MAIN, "check", path.name, "--quiet", *options]
    return subprocess.run(command, cwd=path.parent, capture_output=True, text=True, check=False)


def test_a_check_measures_pairs_and_nothing_else(torch_python: str, tmp_path: Path) -> None:
    path = file(tmp_path, {"threads": 1})
    done = checked(path, "--confirm", "6", "--python", torch_python, "--json")
    found = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode, done.stderr
    assert done.returncode in check.EXIT_CODES.values()
    assert (found["promised"][0], found["pairs"]) == (2.5, 6)
    assert found["seen"][1]["low"] > 0
    record, runs = session_of(tmp_path)
    assert record.setup["only"] == {"threads": 1}
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


def test_what_cannot_be_set_here_and_an_environment_without_torch_are_4(tmp_path: Path) -> None:
    (tmp_path / "bare").write_text('#!/bin/sh\nexec /usr/bin/env python3 -S -I "$@"\n')
    (tmp_path / "bare").chmod(0o755)
    path = file(tmp_path, {"threads": 1})
    done = checked(path, "--python", str(tmp_path / "bare"))
    assert done.returncode == 4, done.stdout + done.stderr
    assert "has no usable torch" in done.stderr


def test_a_value_that_is_not_here_is_4(torch_python: str, tmp_path: Path) -> None:
    path = file(tmp_path, {"threads": 4096})
    done = checked(path, "--python", torch_python)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "cannot be set here: threads cannot be 4096" in done.stderr


def test_keep_the_defaults_needs_no_run(tmp_path: Path) -> None:
    best = promising().model_copy(update={"recommendation": "keep the defaults"})
    path = tmp_path / "best.yaml"
    best_file.write(best.model_copy(update={"configuration": {}}), path)
    done = checked(path)
    assert (done.returncode, done.stdout.strip()) == (0, "kept: it keeps the defaults")
