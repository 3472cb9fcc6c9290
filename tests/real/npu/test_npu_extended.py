"""The knobs of npu-extended.yaml on the real torch_npu with an emulated CANN, and what it lacks."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.support.cann_emulator.calls import total
from tests.support.npu import A2, OLD, SPACE, UNSET, Emulated
from tuner.space import narrowing
from tuner.worker.protocol import Outcome


def missing_values(emulated: Emulated, soc: str = A2, **variables: str) -> dict[str, Any]:
    """What the probe says about every value of the space: handler -> value -> why it is missing."""
    result = emulated.probe(None, {"soc": soc}, narrowing.request(SPACE), **variables)
    assert result.outcome is Outcome.OK, result.message
    assert result.probe is not None
    return result.probe.missing


@pytest.mark.parametrize(
    ("level", "jit", "private", "path"),
    [
        (0, "on", "off", "aclop"),
        (1, "off", "off", "aclnn"),
        (2, "off", "on", "aclop"),
        (2, "off", "off", "aclnn"),
    ],
)
def test_the_run_says_which_path_convolutions_took(
    level: int, jit: str, private: str, path: str, emulated: Emulated
) -> None:
    knobs = {"task_queue": level, "jit_compile": jit, "internal_format": private}
    done = emulated.run(knobs)
    assert done.result.outcome is Outcome.OK, done.result.message
    assert done.result.convolutions is not None
    assert done.result.convolutions.path == path
    calls = done.calls
    assert bool(total(calls, "aclnn-1:aclnnConvolution")) is (path == "aclnn")
    assert bool(total(calls, "aclop:Conv2D")) is (path == "aclop")


def test_what_unset_means_for_internal_formats_is_seen_in_a_cast(emulated: Emulated) -> None:
    done = emulated.run(UNSET)
    back = done.result.read_back["internal_format"]
    took_aclop = total(done.calls, "aclop:Conv2D") > 0
    assert (back.value, back.certain) == ("on" if took_aclop else "off", True)


READ_BACK = {  # knob -> what unset is read back as, and whether that is certain
    "hf32": ("conv", True),
    "precision": ("float32", True),
    "npu_allocator": ("unset", False),
    "worker_cpus": (len(os.sched_getaffinity(0)), True),
    "execution": ("eager", True),
    "cpu_affinity": ("unset", True),
}
SET = {
    "hf32": ("conv+matmul", True),
    "npu_allocator": ("expandable", True),
    "omp_threads": (1, True),
    "log_level": (3, False),
}
OTHERS = {"precision": ("float16", True), "npu_allocator": ("split-250", False)}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (UNSET, READ_BACK),
        ({name: value for name, (value, _) in SET.items()}, SET),
        ({name: value for name, (value, _) in OTHERS.items()}, OTHERS),
    ],
    ids=["unset", "set", "others"],
)
def test_knobs_are_read_back(
    values: dict[str, Any], expected: dict[str, Any], emulated: Emulated
) -> None:
    done = emulated.run(values)
    assert done.result.outcome is Outcome.OK, done.result.message
    back = done.result.read_back
    assert {name: (back[name].value, back[name].certain) for name in expected} == expected


def has_graphs(emulated: Emulated) -> bool:
    """2.1.0.post10 has none."""
    return "NPUGraph" in (emulated.site / "torch_npu" / "npu" / "__init__.py").read_text()


def test_a_captured_graph_is_replayed_or_says_why_not(emulated: Emulated) -> None:
    done = emulated.run({"internal_format": "off", "execution": "npugraph"})
    if not has_graphs(emulated):
        assert done.result.outcome is Outcome.UNSUPPORTED
        assert done.result.message.startswith("this torch_npu has no NPUGraph")
        return
    assert done.result.outcome is Outcome.OK, done.result.message
    back = done.result.read_back["execution"]
    assert (back.value, back.certain) == ("npugraph", True)
    assert total(done.calls, "graph:replay") > total(done.calls, "aclnn-2:aclnnConvolution")


def test_every_value_is_probed_those_of_the_environment_too(emulated: Emulated) -> None:
    missing, usable = missing_values(emulated), len(os.sched_getaffinity(0))
    assert missing["task_queue"] == {"0": "", "1": "", "2": ""}
    assert missing["hf32"] == {"conv": "", "conv+matmul": ""}
    assert missing["precision"] == {"float16": "", "bfloat16": ""}
    assert missing["log_level"] == {"3": "ASCEND_GLOBAL_LOG_LEVEL is 3 here already: as quiet"}
    assert [missing["worker_cpus"][count] == "" for count in ("2", "4", "8")] == [
        count < usable for count in (2, 4, 8)
    ]
    graphs = missing["npu_execution"]
    assert set(graphs) == {"npugraph", "npugraph_ex", "npugraphs"}
    no_graphs = "this torch_npu has no NPUGraph: TorchNPU 7.0.0 is the first that has"
    assert graphs["npugraph"] == ("" if has_graphs(emulated) else no_graphs)


def test_the_users_own_settings_and_device_decide_what_is_offered(emulated: Emulated) -> None:
    own = {"ASCEND_GLOBAL_LOG_LEVEL": "1", "PYTORCH_NPU_ALLOC_CONF": "max_split_size_mb:100"}
    missing = missing_values(emulated, OLD, **own)
    assert missing["precision"]["bfloat16"] == "this device has no bfloat16"
    if has_graphs(emulated):
        why = missing["npu_execution"]["npugraph"]
        assert why.startswith("nothing can be captured here: RuntimeError")
    assert missing["log_level"]["3"] == ""
    assert missing["npu_allocator"] == {
        "expandable": "PYTORCH_NPU_ALLOC_CONF=max_split_size_mb:100 is set in the environment: "
        "expandable_segments cannot be beside it",
        "split-250": "",
    }
