"""The knobs of npu-extended.yaml on the real torch_npu with an emulated CANN, and what it lacks."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tuner import availability, search_space_file
from tuner.launcher import Run
from tuner.worker.protocol import KnobSetting, ModelSpec, Outcome, Role, TrialSpec

from .cann_emulator.calls import total
from .test_npu import A2, CONVNET, OLD, Emulated

SPACE = search_space_file.load(search_space_file.find("npu-extended"))


@pytest.fixture
def emulated(torch_python: str, torch_npu_site: Path, cann: Path, tmp_path: Path) -> Emulated:
    return Emulated(torch_python, torch_npu_site, cann, tmp_path)


def run(emulated: Emulated, **knobs: Any) -> Run:
    """A baseline run with the knobs as the search space file has them."""
    settings = []
    for name, value in knobs.items():
        knob = SPACE.space.knob(name)
        assert knob is not None
        settings.append(knob.setting(value))
    return emulated.run(spec={"knobs": settings}, soc=A2)


def probe(emulated: Emulated, soc: str = A2, **variables: str) -> dict[str, Any]:
    """What the probe says about every value of the space: handler -> value -> why it is missing."""
    launcher = emulated.launcher(soc=soc)
    launcher = replace(launcher, variables={**launcher.variables, **variables})
    spec = TrialSpec(
        "", -1, Role.PROBE, "npu", ModelSpec("python_file", CONVNET), deadline_s=120,
        weights_path=str(emulated.folder / "weights.pt"), probe=availability.request(SPACE),
    )  # fmt: skip
    result = launcher.run(spec).result
    assert result.outcome is Outcome.OK, result.message
    missing: dict[str, Any] = result.facts["missing"]
    return missing


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize(
    ("jit", "private", "path"),
    [("off", "off", "aclnn"), ("off", "on", "aclop"), ("on", "off", "aclop")],
)
def test_the_run_says_which_path_convolutions_took(
    level: int, jit: str, private: str, path: str, emulated: Emulated
) -> None:
    done = run(emulated, task_queue=level, jit_compile=jit, internal_format=private)
    assert done.result.outcome is Outcome.OK, done.result.message
    assert done.result.facts["convolutions"] == path
    calls = emulated.calls()
    assert bool(total(calls, "aclnn-1:aclnnConvolution")) is (path == "aclnn")
    assert bool(total(calls, "aclop:Conv2D")) is (path == "aclop")


def test_what_unset_means_for_internal_formats_is_seen_in_a_cast(emulated: Emulated) -> None:
    done = run(emulated, internal_format="unset")
    back = done.result.read_back["internal_format"]
    took_aclop = total(emulated.calls(), "aclop:Conv2D") > 0
    assert (back.value, back.certain) == ("on" if took_aclop else "off", True)


@pytest.mark.parametrize(
    ("name", "value", "expected", "certain"),
    [
        ("hf32", "unset", "conv", True),
        ("hf32", "conv+matmul", "conv+matmul", True),
        ("precision", "unset", "float32", True),
        ("precision", "float16", "float16", True),
        ("npu_allocator", "unset", "unset", False),
        ("npu_allocator", "expandable", "expandable", True),
        ("npu_allocator", "split-250", "split-250", False),
        ("omp_threads", 1, 1, True),
        ("worker_cpus", "unset", len(os.sched_getaffinity(0)), True),
        ("log_level", 3, 3, False),
        ("execution", "unset", "eager", True),
    ],
)
def test_a_knob_is_read_back(
    name: str, value: Any, expected: Any, certain: bool, emulated: Emulated
) -> None:
    done = run(emulated, **{name: value})
    assert done.result.outcome is Outcome.OK, done.result.message
    back = done.result.read_back[name]
    assert (back.value, back.certain) == (expected, certain), back.how


def test_a_worker_on_fewer_processors_has_as_many_threads(emulated: Emulated) -> None:
    knobs = [
        KnobSetting("worker_cpus", 1, "process", "worker_cpus"),
        KnobSetting("threads", "unset", "process", "threads"),
    ]
    back = emulated.run(spec={"knobs": knobs}).result.read_back
    assert (back["worker_cpus"].value, back["threads"].value) == (1, 1)


def test_the_emulation_has_no_graph_capture_and_the_probe_finds_out(emulated: Emulated) -> None:
    missing = probe(emulated)["npu_execution"]
    assert set(missing) == {"npugraph", "npugraph_ex", "npugraphs"}
    assert missing["npugraph"].startswith("CANN here has no graph capture (aclmdlRICaptureBegin")


def test_a_capture_that_fails_is_unsupported(emulated: Emulated) -> None:
    done = run(emulated, internal_format="off", execution="npugraph")
    assert done.result.outcome is Outcome.UNSUPPORTED
    assert done.result.message.startswith("graph capture: RuntimeError")


@pytest.mark.parametrize(("soc", "why"), [(A2, ""), (OLD, "this device has no bfloat16")])
def test_bfloat16_is_there_where_the_device_has_it(soc: str, why: str, emulated: Emulated) -> None:
    assert probe(emulated, soc)["precision"] == {"float16": "", "bfloat16": why}


def test_environment_knobs_are_probed_too(emulated: Emulated) -> None:
    quiet, loud = probe(emulated), probe(emulated, ASCEND_GLOBAL_LOG_LEVEL="1")
    assert quiet["task_queue"] == {"0": "", "1": "", "2": ""}
    assert quiet["log_level"]["3"] == "ASCEND_GLOBAL_LOG_LEVEL is 3 here already: as quiet"
    assert loud["log_level"]["3"] == ""
    held = probe(emulated, PYTORCH_NPU_ALLOC_CONF="max_split_size_mb:100")["npu_allocator"]
    assert held["expandable"].endswith("is set in the environment: kept")


def test_fewer_processors_are_offered_only_where_there_are_more(emulated: Emulated) -> None:
    usable = len(os.sched_getaffinity(0))
    missing = probe(emulated)["worker_cpus"]
    assert {int(v): why == "" for v, why in missing.items() if v != "near"} == {
        count: count < usable for count in (2, 4, 8)
    }
