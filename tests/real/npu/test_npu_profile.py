"""From the wheel's own profiler to a diagnosis, on an emulated CANN: kinds and counts, no times."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support import DATA
from tests.support.npu import CONVNET, Emulated
from tests.support.runs import recorded, study_record
from tuner.diagnose import profile_files
from tuner.diagnose.profile import FEW_SAMPLES, Profile, profile_of
from tuner.evidence.summary import summarize
from tuner.runs.records import Run
from tuner.space import file
from tuner.space import model as space_model
from tuner.views import profile as view
from tuner.worker.protocol import ModelSpec, Outcome, Role

CONV = ModelSpec("python_file", CONVNET)


def profiled(
    emulated: Emulated,
    level: int,
    model: ModelSpec = CONV,
    execution: str = "unset",
    **parameters: int,
) -> tuple[Run, Profile]:
    """A small model at a task-queue level, under the wheel's own profiler."""
    folder = emulated.folder / "profile"
    spec = {
        "model": model,
        "role": Role.PROFILE,
        "profile_folder": str(folder),
        "rule": replace(FEW_SAMPLES, warmup_calls=3, min_time_s=0.0),
    }
    knobs = {"task_queue": level, "internal_format": "off", "execution": execution}
    run = emulated.fresh(knobs, spec, **parameters).run
    assert run.result.outcome is Outcome.OK, run.result.message
    space = file.load(file.find("npu")).space
    summary = summarize(replace(study_record(), space=space_model.to_dict(space)), [])
    baseline = replace(recorded(0, 1.0), configuration=space.baseline())
    files = profile_files.output_folder(folder)
    return run, profile_of(summary, baseline, run, files, folder)


def test_dominating_host_costs_are_dispatch_bound_and_level_2_fools_a_timer(
    emulated: Emulated,
) -> None:
    _, profile = profiled(emulated, 2, phase1_us=3000, phase2_us=3000, kernel_us=1)
    assert profile.diagnosis.kind == "dispatch-bound"
    assert (profile.times.device_certain, profile.emulated_cann) == (True, True)
    assert "wrong by" in view.unsynchronised(profile.times)


def test_a_captured_call_is_profiled_as_one_and_no_more_bound_by_its_launches(
    emulated: Emulated,
) -> None:
    if "NPUGraph" not in (emulated.site / "torch_npu" / "npu" / "__init__.py").read_text():
        pytest.skip("this torch_npu has no NPUGraph; that it says so is tested elsewhere")
    costs = {"phase1_us": 1500, "phase2_us": 1500, "kernel_us": 2500}
    kinds = [
        profiled(emulated, 0, CONV, execution, **costs)[1].diagnosis.kind
        for execution in ("unset", "npugraph")
    ]
    assert kinds == ["dispatch-bound", "device-bound"]


def test_operators_that_fall_back_to_the_cpu_are_named(emulated: Emulated) -> None:
    falls_back = ModelSpec("python_file", f"{DATA / 'models' / 'tiny.py'}:falls_back")
    run, profile = profiled(emulated, 1, falls_back)
    assert profile.fallbacks == ("aten::linalg_matrix_exp",)
    # The call waits for the device inside, so its device time is an upper bound, and is called so.
    assert run.result.profile is not None
    assert (profile.times.device_certain, run.result.profile.ahead) == (False, False)


def test_the_wheels_own_files_are_read_and_name_the_hosts_operators(emulated: Emulated) -> None:
    run, profile = profiled(emulated, 1)
    calls = {row.name: row.count for row in profile.host_operators}
    assert run.result.profile is not None
    assert calls["aten::convolution"] == len(run.result.profile.traced_ns)
    # The emulation collects nothing of the device: 2.7 then writes nothing with it, 2.13 does.
    assert profile.missing_activities in ((), ("NPU",))
    assert profile.profiler_error == ""
    output = profile_files.output_folder(emulated.folder / "profile")
    assert output is not None
    assert (output / "trace_view.json").stat().st_size > 0
