"""Whole studies through the command line, with a pretended interpreter: verdicts and exit codes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tests.support.space_file import GOOD
from tests.support.studies import SEARCH, STUDY, TWICE
from tuner.deploy import best as best_file
from tuner.evidence.objectives import latency
from tuner.runs.launcher import Launcher
from tuner.worker.protocol import (
    KnobSetting,
    ModelSpec,
    Outcome,
    ProbeRequest,
    ReadBack,
    Role,
    TrialResult,
    TrialSpec,
)

SHORT = [*STUDY, "--trials", "2", "--confirm", "off"]
ENVIRONMENT = {"outcome": "environment_error", "message": "no usable torch"}
CRASHES = {"memory_format=channels_last": {"signal": 11}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_planted_knob_is_found(study_original: Path) -> None:
    best = best_file.load(study_original / "results" / "s.yaml")
    assert (best.verdict, best.recommendation) == ("faster", "apply")
    assert best.configuration["memory_format"] == "channels_last"
    assert (round(best.evidence.speedup, 1), best.evidence.pairs) == (2.0, 6)


def test_what_is_not_won_keeps_the_defaults(pretend: Pretend) -> None:
    done = npu_tune(*SEARCH, *pretend(scatter=0.3), "--json")
    result = json.loads(done.stdout)
    assert (done.exit_code, result["verdict"]) == (0, "unclear")
    assert result["recommendation"] == "keep the defaults"


@pytest.mark.parametrize(
    ("code", "answer", "table"),
    [
        (0, "kept: faster than the baseline, as it promised", {"factors": TWICE}),
        (3, "regression: less than 90% of what it promised", {}),
        (4, "the configuration cannot run here: crashed: killed by SIG", {"failures": CRASHES}),
        # Below zero: what scatters is drawn by name, and upwards these six pairs happen to agree.
        (5, "no answer: the noise forbids an answer", {"factors": TWICE, "scatter": -0.5}),
    ],
)  # fmt: skip
def test_check_says_by_its_exit_code_whether_it_holds(
    code: int, answer: str, table: dict[str, Any], study_original: Path, pretend: Pretend
) -> None:
    file = str(study_original / "results" / "s.yaml")
    done = npu_tune("check", file, "--confirm", "6", "--quiet", *pretend(**table))
    assert (done.exit_code, answer in done.output) == (code, True), done.output


@pytest.mark.parametrize(
    ("code", "says", "failures"),
    [
        (4, "no usable torch", {"role=probe": ENVIRONMENT}),
        (6, "no such layer", {"role=baseline": {"exit": 3, "message": "no such layer"}}),
    ],
)
def test_a_study_that_cannot_begin_says_why(
    code: int, says: str, failures: dict[str, Any], pretend: Pretend
) -> None:
    done = npu_tune(*SHORT, *pretend(failures=failures))
    assert (done.exit_code, says in done.stderr) == (code, True), done.output


def test_two_interpreters_are_two_environments(pretend: Pretend) -> None:
    new = pretend("new", fingerprint={"torch": "2.10.0"}, latency_ms=5.0)
    assert npu_tune(*SHORT, *pretend("old")).exit_code == 0
    assert npu_tune(*SHORT, *new, "--study", "t").exit_code == 0
    (result,) = json.loads(npu_tune("compare", "s", "t", "--json").stdout)["comparisons"]
    assert round(result["baseline"]["comparison"]["speedup"], 1) == 2.0
    assert {"name": "torch", "before": "2.9.0", "after": "2.10.0"} in result["environment"]


def test_a_study_is_not_resumed_after_an_upgrade_in_place(pretend: Pretend) -> None:
    assert npu_tune(*SHORT, *pretend()).exit_code == 0
    pretend(fingerprint={"torch": "2.10.0"})
    done = npu_tune("--resume", "--study", "s", "--trials", "3", "--quiet")
    assert done.exit_code == 7
    assert "study 's' was begun with torch 2.9.0, its environment has 2.10.0 now" in done.stderr


def test_a_study_is_resumed_under_another_patch_of_python(pretend: Pretend) -> None:
    assert npu_tune(*SHORT, *pretend()).exit_code == 0
    pretend(fingerprint={"python": "3.11.9"})
    done = npu_tune("--resume", "--study", "s", "--trials", "3")
    assert done.exit_code == 0, done.output
    assert "warning: python was '3.11.7' when the study began, is '3.11.9' now" in done.stdout


def test_a_study_in_its_own_space_is_resumed_from_another_folder(
    folder: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine.yaml").write_text(GOOD)
    storage = ["--storage", f"sqlite:///{folder}/s.db"]
    assert npu_tune(*SHORT, *pretend(), *storage, "--space", "mine.yaml").exit_code == 0
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    done = npu_tune("--resume", "--study", "s", "--trials", "3", "--quiet", *storage)
    assert done.exit_code == 0, done.output


def answer(options: list[str], folder: Path, role: Role, **changes: Any) -> TrialResult:
    """What one run of the interpreter results in."""
    spec = TrialSpec(
        "s", 0, role, "cpu", ModelSpec("python_file", "m.py:make"), weights_path=f"{folder}/w.pt",
        reference_path=f"{folder}/r.pt", **changes,
    )  # fmt: skip
    return Launcher(options[1], folder).run(spec).result


def test_a_measured_run_is_as_the_table_says(folder: Path, pretend: Pretend) -> None:
    knobs = [KnobSetting("a", 1, "process"), KnobSetting("b", "unset", "process")]
    options = pretend(
        scatter=0.0, factors={"a=1&b=unset": 0.5, "a=1&b=2": 7.0}, resolved={"b": 4},
        digests={"a=1": "other"},
    )  # fmt: skip
    result = answer(options, folder, Role.BASELINE, knobs=knobs)
    assert result.measurement is not None
    assert latency(result.measurement) == pytest.approx(5.0, 0.01)
    assert [back.value for back in result.read_back.values()] == [1, 4]
    assert result.read_back["b"] == ReadBack(4, True, "by the table")
    assert result.output is not None
    assert result.output.digest == "other"


def test_a_run_without_the_baselines_reference_crashes(folder: Path, pretend: Pretend) -> None:
    result = answer(pretend(), folder, Role.SEARCH)
    assert result == TrialResult(Outcome.CRASHED, f"FileNotFoundError: {folder}/r.pt")


def test_a_probe_finds_what_the_table_has(folder: Path, pretend: Pretend) -> None:
    options = pretend(missing={"threads=4": "too many"}, libraries={"libx.so": "/lib/libx.so"})
    request = ProbeRequest({"threads": [1, 4]}, ["libx.so", "liby.so"])
    facts = answer(options, folder, Role.PROBE, probe=request).probe
    assert facts is not None
    assert facts.missing == {"threads": {"1": "", "4": "too many"}}
    assert facts.libraries == {"libx.so": "/lib/libx.so", "liby.so": ""}
    assert (folder / "w.pt").exists()


def test_calls_after_a_rest_are_shown_beside_those_without(pretend: Pretend) -> None:
    done = npu_tune(*SHORT, "--pause", "20", *pretend(scatter=0.0))
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("after a rest")]
    number = r"([\d.]+)"
    text = rf"after a rest of 20 ms a call takes {number} ms instead of {number}"
    found = re.match(text, line)
    assert found is not None
    rested, back = map(float, found.groups())
    assert round(rested / back, 1) == 1.5
    assert "after a rest" not in npu_tune(*SHORT, "--study", "t", *pretend()).stdout
