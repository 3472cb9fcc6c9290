"""A real study of the tiny convnet on the CPU: what it says of itself, and what reads it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tuner
from tests.support.command import npu_tune


def test_it_is_confirmed_by_real_runs_with_the_same_output(cpu_study: Path) -> None:
    printed = json.loads((cpu_study / "stdout.json").read_text())
    best = tuner.load_best(cpu_study / "results" / "real.yaml")
    assert best.verdict == printed["verdict"] in ("faster", "slower", "same", "unclear")
    assert (best.evidence.pairs, best.evidence.output_check) == (6, "passed")
    assert best.evidence.interval is not None
    assert best.evidence.interval.low > 0


@pytest.mark.usefixtures("cpu_study")
def test_the_library_reads_it_as_the_command_wrote_it() -> None:
    result = tuner.load_result("real")
    written = tuner.load_best(Path("results/real.yaml"))
    assert (result.verdict, result.configuration) == (written.verdict, written.configuration)
    assert result.evidence == written.evidence


@pytest.mark.usefixtures("cpu_study")
def test_what_the_knob_turned_into_is_read_back() -> None:
    shown = npu_tune("show", "real", "--trial", "1").stdout
    assert "read back: execution" in shown
    for phase in ("interpreter", "import", "first_call"):
        assert phase in shown


@pytest.mark.usefixtures("cpu_study")
def test_rerun_repeats_a_trial_outside_the_record() -> None:
    before = npu_tune("show", "real").stdout
    done = npu_tune("rerun", "real", "--trial", "1")
    assert done.exit_code == 0, done.output
    assert npu_tune("show", "real").stdout == before


def test_profile_says_what_bounds_a_call_and_leaves_a_trace(cpu_study: Path) -> None:
    done = npu_tune("profile", "real", "--baseline", "--json", "-o", "a b/trace.d")
    assert done.exit_code == 0, done.output
    profiled = json.loads(done.stdout)
    assert (profiled["trial"], profiled["folder"]) == (0, "a b/trace.d")
    assert profiled["diagnosis"]["kind"] in ("operator-bound", "overhead-bound", "copy-bound")
    assert any(row["name"].startswith("aten::") for row in profiled["host_operators"])
    (trace,) = (cpu_study / "a b" / "trace.d").iterdir()
    assert json.loads(trace.read_text())["traceEvents"]


@pytest.mark.usefixtures("cpu_study")
def test_it_is_compared_with_itself() -> None:
    compared = json.loads(npu_tune("compare", "real", "real", "--json").stdout)["comparisons"]
    assert [entry["environment"] for entry in compared] == [[]]


def test_it_is_reported(cpu_study: Path) -> None:
    assert npu_tune("report", "real", "-o", "page.html").exit_code == 0
    assert "execution=torchscript" in (cpu_study / "page.html").read_text()


def test_it_is_exported_as_code(cpu_study: Path) -> None:
    done = npu_tune("export", "real", "--format", "python", "-o", "best.py")
    assert done.exit_code == 0, done.output
    compile((cpu_study / "best.py").read_text(), "best.py", "exec")


@pytest.mark.usefixtures("cpu_study")
def test_it_is_replayed_without_measuring() -> None:
    assert tuner.replay_study("real", trials=2, confirm="off").verdict == "not confirmed"
