"""The NPU backend on the real torch_npu wheel, with an emulated CANN: no figure is a device's.

Each case is a fresh process. Asserted are outcomes, call paths, threads and counts, never times.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.cann_emulator.calls import threads, total
from tests.support.npu import A2, A3, OLD, UNSET, Emulated
from tuner.runs.launcher import WORKER
from tuner.worker.protocol import ModelSpec, Outcome, ProbeRequest, Role

NEWER = {"soc": A3, "cann": "8.5.0", "driver": "25.5.0"}


@pytest.mark.parametrize(("level", "first", "second"), [(0, 0, 0), (2, 1, 1)])
def test_the_task_queue_moves_the_phases_to_another_thread(
    level: int, first: int, second: int, emulated: Emulated
) -> None:
    run = emulated.run({"task_queue": level, "jit_compile": "off", "internal_format": "off"})
    assert run.result.outcome is Outcome.OK, run.result.message
    back = run.result.read_back["task_queue"]
    assert (back.value, back.certain) == (level, True)
    calls = run.calls
    # Thread 0 is the main one. The model itself: transfers before it stay on the main thread.
    assert threads(calls, "aclnn-1:aclnnConvolution") == {first}
    assert threads(calls, "aclnn-2:aclnnConvolution") == {second}


@pytest.mark.parametrize(
    ("jit", "private", "level", "aclnn", "aclop", "compiled"),
    [
        ("off", "off", 1, True, False, False),
        ("off", "on", 2, False, True, False),
        ("on", "off", 0, False, True, True),
    ],
)
def test_jit_and_internal_format_decide_the_path_of_convolutions(
    jit: str, private: str, level: int, aclnn: bool, aclop: bool, compiled: bool, emulated: Emulated
) -> None:
    knobs = {"jit_compile": jit, "internal_format": private}
    run = emulated.run({"task_queue": level, **knobs})
    assert run.result.outcome is Outcome.OK, run.result.message
    assert {name: run.result.read_back[name].value for name in knobs} == knobs
    assert bool(total(run.calls, "aclnn-1:aclnnConvolution")) is aclnn
    assert bool(total(run.calls, "aclop:Conv2D")) is aclop
    assert bool(total(run.calls, "compile:Conv2D")) is compiled
    assert bool(total(run.calls, "aclnn-1:aclnnRelu")) is (jit == "off")
    assert total(run.calls, "aclnn-without-executor") == 0


def test_every_run_is_a_fresh_process_with_first_call_costs(emulated: Emulated) -> None:
    knobs = {"task_queue": 0, "jit_compile": "on", "internal_format": "off"}
    counts = [total(run(knobs).calls, "compile:") for run in (emulated.run, emulated.fresh)]
    assert counts[0] == counts[1] > 0


def test_the_default_of_jit_depends_on_the_soc(emulated: Emulated) -> None:
    runs = [emulated.run(UNSET, **chip) for chip in ({"soc": A2}, NEWER, {"soc": OLD})]
    values = [run.result.read_back["jit_compile"].value for run in runs]
    assert values == ["off", "off", "on"]


def test_outputs_are_compared_on_this_path_too(emulated: Emulated) -> None:
    base = emulated.fresh({"internal_format": "off"}, soc=A2, numerics=1)
    assert base.result.output is not None
    assert (base.result.outcome, base.result.output.status) == (Outcome.OK, "passed")
    # The emulation computes nothing on the aclop path: what comes out is wrong.
    other = emulated.fresh({"internal_format": "on"}, {"role": Role.SEARCH}, soc=A2, numerics=1)
    assert other.result.outcome is Outcome.WRONG_OUTPUT


def test_the_fingerprint_names_device_cann_and_emulation(emulated: Emulated) -> None:
    fingerprint = emulated.run(UNSET, **NEWER).result.fingerprint
    assert (fingerprint["soc"], fingerprint["cann"]) == (A3, "8.5.0")
    # 2.1.0.post10 cannot ask CANN, whose files tell its own version but not the driver's.
    older = fingerprint["torch_npu"].startswith("2.1.0.post10")
    assert fingerprint["driver"] == ("" if older else "25.5.0")
    assert fingerprint["emulated_cann"] is True
    assert fingerprint["torch_npu"].startswith("2.")


@pytest.mark.parametrize(
    ("version", "source", "bus"),
    [
        ("8.2.RC1", "drvDeviceGetPhyIdByIndex", ""),
        ("9.2.0", "aclrtGetPhyDevIdByUserDevId", "0000:9F:00.0"),
    ],
)
def test_the_probe_tells_which_chip_of_the_host_a_number_is(
    version: str, source: str, bus: str, emulated: Emulated
) -> None:
    chips = {"devices": 3, "physical_ids": "4,5,7", "pci_bus_ids": "0000:9d:00.0,,0000:9f:00.0"}
    result = emulated.probe(1, {"cann": version, **chips}, ASCEND_RT_VISIBLE_DEVICES="1,2")
    assert result.fingerprint["chip"] == {
        "physical_id": 7, "source": source, "logic_id": 2, "pci_bus_id": bus,
    }  # fmt: skip


def test_where_cann_cannot_be_asked_its_version_is_read_from_its_files(emulated: Emulated) -> None:
    launcher = emulated.launcher(cann="8.0.RC1")
    code = (
        "import torch, torch_npu, sys; sys.path.insert(0, sys.argv[1])\n"
        "from worker.backends import npu\n"
        "npu.importlib.import_module('torch_npu.npu.utils').get_cann_version = None\n"
        "print(npu.cann_version('CANN'))"
    )
    done = subprocess.run(
        [emulated.python, "-c", code, str(WORKER.parent.parent)],
        env={**os.environ, **launcher.variables}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "8.0.RC1"


def test_a_batch_that_does_not_fit_is_out_of_memory(emulated: Emulated) -> None:
    run = emulated.run(spec={"batch_size": 65536}, memory_mb=128)
    assert run.result.outcome is Outcome.OUT_OF_MEMORY
    assert "NPU out of memory" in run.result.message


@pytest.mark.parametrize(("level", "phase", "call"), [(0, "1", 5)])
def test_a_failing_operator_ends_the_run_and_nothing_is_measured(
    level: int, phase: str, call: int, emulated: Emulated
) -> None:
    run = emulated.run(
        {"task_queue": level, "internal_format": "off"}, fail=f"aclnnRelu:{phase}", fail_call=call
    )
    assert run.result.outcome is Outcome.CRASHED
    assert run.result.measurement is None
    assert "aclnnRelu" in run.result.message
    assert len(run.result.message.splitlines()) == 1


def test_a_device_that_does_not_exist_is_named(emulated: Emulated) -> None:
    run = emulated.run(spec={"device": 3}, devices=2)
    assert run.result.outcome is Outcome.ENVIRONMENT_ERROR
    assert run.result.message.startswith("--device 3: torch_npu finds 2 here")


def test_the_probe_finds_the_device_and_level_2(emulated: Emulated) -> None:
    result = emulated.probe()
    assert result.outcome is Outcome.OK, result.message
    assert result.probe is not None
    assert result.probe.backend == "npu"
    assert result.probe.missing["task_queue"] == {"0": "", "1": "", "2": ""}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TASK_QUEUE_ENABLE", "7"),
        ("TASK_QUEUE_ENABLE", ""),
        ("ASCEND_GLOBAL_LOG_LEVEL", "9"),  # the import would hang
    ],
)
def test_a_value_that_means_nothing_is_refused_before_torch_npu_is_imported(
    name: str, value: str, emulated: Emulated
) -> None:
    result = emulated.probe(**{name: value})  # type: ignore[arg-type]
    assert result.outcome is Outcome.ENVIRONMENT_ERROR
    assert result.message.startswith(f"{name}={value!r} in the environment: allowed: 0, 1, 2")


def test_without_cann_the_reason_is_one_sentence(emulated: Emulated) -> None:
    result = emulated.probe(LD_LIBRARY_PATH="", ASCEND_HOME_PATH="")
    assert result.outcome is Outcome.ENVIRONMENT_ERROR
    assert "torch_npu does not import" in result.message
    assert len(result.message.splitlines()) == 1


def test_a_model_that_asks_for_cuda_by_transfer_to_npu_is_noticed_and_measured(
    emulated: Emulated, tmp_path: Path
) -> None:
    model = tmp_path / "transferred.py"
    model.write_text(
        "import torch\n"
        "from torch_npu.contrib import transfer_to_npu\n"
        "assert torch.cuda.is_available()\n"
        "def make():\n"
        "    return torch.jit.script(torch.nn.Linear(4, 4).cuda()), torch.ones(1, 4).cuda()\n"
    )
    spec = {"model": ModelSpec("python_file", f"{model}:make"), "probe": ProbeRequest()}
    probed = emulated.fresh(None, {**spec, "role": Role.PROBE}).result
    assert probed.outcome is Outcome.OK, probed.message
    assert probed.probe is not None
    assert probed.probe.transferred
    measured = emulated.fresh(None, spec).result
    assert measured.outcome is Outcome.OK, measured.message
