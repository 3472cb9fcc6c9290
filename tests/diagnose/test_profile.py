"""From a run's facts and the profiler's files to a diagnosis."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.support import DATA
from tests.support.ablations import ablated, ms
from tests.support.runs import confirmed, recorded, study_record
from tuner.diagnose.profile import Profile, choose, profile_of
from tuner.errors import StudyConflictError
from tuner.evidence.summary import Summary, summarize
from tuner.space import file
from tuner.space import model as space_model
from tuner.views import profile
from tuner.worker.facts import OperatorTime, ProfileFacts
from tuner.worker.protocol import ReadBack, Role

MS = 10**6
FACTS = ProfileFacts(
    dispatch_ns=[1 * MS] * 3, latency_ns=[4 * MS] * 3, traced_ns=[8 * MS] * 2,
    device_ns=[3 * MS] * 3, ahead=True, host_to_device_ns=[MS], device_to_host_ns=[MS],
    fallbacks=["aten::nonzero"], faults_per_call=3.0, kernel_share=0.02,
)  # fmt: skip


def npu_summary() -> Summary:
    space = file.load(file.find("npu")).space
    record = replace(study_record(), space=space_model.to_dict(space))
    return summarize(record, [])


def profile_from(
    facts: ProfileFacts, parsed: Path | None, backend: str = "npu", emulated: bool = False
) -> Profile:
    """A run of the NPU's baseline with these facts."""
    baseline = recorded(0, 4.0)
    result = replace(
        baseline.run.result,
        profile=facts,
        fingerprint={"emulated_cann": emulated},
        read_back={"task_queue": ReadBack(2, True, "")},
    )
    run = replace(baseline.run, spec=replace(baseline.run.spec, backend=backend), result=result)
    summary = npu_summary()
    baseline = replace(baseline, configuration=summary.space.baseline())
    return profile_of(summary, baseline, run, parsed, Path("folder"))


def text_of(result: Profile, width: int = 120) -> str:
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(profile.profile(result))
    return capture.get()


def test_kernel_details_come_before_steps_and_both_before_events(tmp_path: Path) -> None:
    shutil.copy(DATA / "profiler" / "step_trace_time.csv", tmp_path)
    steps = profile_from(FACTS, tmp_path)
    assert (steps.times.device_source, steps.times.device_ms) == ("step_trace_time.csv", 0.12)
    shutil.copy(DATA / "profiler" / "kernel_details.csv", tmp_path)
    kernels = profile_from(FACTS, tmp_path)
    assert (kernels.times.device_source, kernels.times.device_ms) == ("kernel_details.csv", 0.1)
    events = profile_from(FACTS, None)
    assert (events.times.device_source, events.times.device_ms) == ("device events", 3.0)


def test_the_report_names_bound_knobs_operators_and_what_fell_back() -> None:
    result = profile_from(FACTS, DATA / "profiler")
    text = text_of(result)
    assert text.startswith("dispatch-bound: the device idles 98% of a call")
    assert "try jit_compile=off" in text
    assert "task_queue=2" not in text  # it reads back as 2 already
    assert "wrong by 4.0x: the call returns before its work is done" in text
    assert "in the trace the device idles 50% (kernel_details.csv)" in text
    assert "format and type conversions: 9% of kernel time" in text
    assert "AI CPU, which is slow: Nonzero: 36% of kernel time" in text
    assert "copied there and back: aten::nonzero" in text
    assert "msprof-analyze advisor all -d folder" in text


def test_no_figure_of_the_emulation_goes_without_its_label() -> None:
    text = text_of(profile_from(FACTS, None, emulated=True))
    assert text.startswith("emulated CANN, device-bound")


def test_a_profiler_that_fails_leaves_the_rest() -> None:
    facts = replace(
        FACTS, traced_ns=[], profiler_error="RuntimeError: busy", missing_activities=["NPU"]
    )
    text = text_of(profile_from(facts, None))
    assert text.startswith("device-bound: the device works 75% of a call")
    assert "the profiler failed: RuntimeError: busy" in text
    assert "the trace lacks NPU" in text


def test_on_the_cpu_copies_and_overhead_are_shares_of_the_traced_time() -> None:
    operators = [OperatorTime("aten::conv2d", 2, 8 * MS), OperatorTime("aten::copy_", 4, 2 * MS)]
    facts = replace(FACTS, operators=operators, device_ns=None)
    result = profile_from(facts, None, backend="cpu")
    assert (result.shares.layout, result.shares.outside) == (0.125, 0.375)
    assert result.diagnosis.kind == "overhead-bound"
    assert "without synchronising" not in text_of(result)


def test_it_is_the_baseline_or_the_best() -> None:
    summary = summarize(study_record(), [recorded(0, 4.0), recorded(1, 2.0, mode="fast")])
    assert choose(summary, baseline=True).trial == 0
    assert choose(summary, baseline=False).trial == 1


def test_where_a_smaller_configuration_is_exported_that_one_is_profiled() -> None:
    _, summary = ablated(ms)
    chosen = choose(summary, baseline=False)
    assert summary.space.changed(chosen.configuration) == {"mode": "fast"}
    assert chosen.run.spec.role == Role.ABLATION


def test_where_the_defaults_are_to_be_kept_they_are_profiled() -> None:
    runs = [recorded(0, 4.0), recorded(1, 2.0, mode="fast")]  # which was luck
    _, summary = confirmed(runs, lambda _: 4.0)
    assert choose(summary, baseline=False).trial == 0


def test_nothing_measured_is_a_conflict() -> None:
    with pytest.raises(StudyConflictError):
        choose(summarize(study_record(), []), baseline=True)
