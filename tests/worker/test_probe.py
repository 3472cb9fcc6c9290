"""What a probe tells of the environment before torch is there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from tuner.space import variables
from tuner.worker import cann, probe
from tuner.worker.backends import npu
from tuner.worker.facts import ProbeFacts
from tuner.worker.failure import RunError
from tuner.worker.protocol import ProbeRequest, VariableRule


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [
        ("TASK_QUEUE_ENABLE", "7", True),
        ("TASK_QUEUE_ENABLE", "", True),  # silently 0
        ("TASK_QUEUE_ENABLE", "2", False),
        ("ASCEND_GLOBAL_LOG_LEVEL", "9", True),
        ("ASCEND_GLOBAL_LOG_LEVEL", "", False),  # as good as unset
        ("OMP_WAIT_POLICY", "Passive", False),
        ("OMP_WAIT_POLICY", "", False),
        ("A_VARIABLE_OF_THEIRS", "x", False),
    ],
)
def test_a_value_that_means_nothing_is_refused(name: str, value: str, refused: bool) -> None:
    assert probe.refused(variables.rules(), {name: value}) == ({name: value} if refused else {})


def test_why_an_environment_is_refused_says_what_is_allowed_and_what_to_do() -> None:
    rules = {"A": VariableRule("0|1", "0, 1 (others hang)")}
    assert probe.refusal(rules, {"A": "9"}) == (
        "A='9' in the environment: allowed: 0, 1 (others hang); correct it or unset it"
    )


@pytest.mark.parametrize("folder", ["", "aarch64-linux"])
def test_cann_is_found_in_its_install_files(folder: str, tmp_path: Path) -> None:
    place = tmp_path / folder / "ascend_toolkit_install.info"
    place.parent.mkdir(exist_ok=True)
    place.write_text("package_name=Ascend-cann-toolkit\nversion=8.1.RC1\narch=aarch64\n")
    assert cann.version({"ASCEND_HOME_PATH": str(tmp_path)}) == "8.1.RC1"
    assert cann.version({}) == ""


def chosen(
    monkeypatch: pytest.MonkeyPatch, npus: list[str], device: int | None = None
) -> ProbeFacts:
    """What `auto` is, where torch_npu cannot be used."""
    monkeypatch.setattr(npu, "missing", lambda: "the interpreter has no torch_npu")
    facts = ProbeFacts(npus=npus)
    return probe.with_backend(facts, "auto", ProbeRequest(), device)


def test_a_host_with_npus_and_no_usable_torch_npu_is_not_tuned_on_its_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(RunError) as refused:
        chosen(monkeypatch, ["/dev/davinci0", "/dev/davinci1"])
    assert str(refused.value) == (
        "backend auto: there are NPUs here (/dev/davinci0, /dev/davinci1) that cannot be used: the "
        "interpreter has no torch_npu: install or repair it, or tune the CPU with --backend cpu"
    )


def test_whoever_names_an_npu_is_not_given_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunError) as refused:
        chosen(monkeypatch, [], device=1)
    assert str(refused.value) == (
        "backend auto: --device 1 names an NPU, which cannot be used: the interpreter has no "
        "torch_npu: install or repair it, or tune the CPU with --backend cpu"
    )


def test_a_model_that_puts_itself_on_the_npu_is_not_measured_as_the_cpus(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, probe.TRANSFER, raising=False)
    assert not probe.transferred("cpu")
    monkeypatch.setitem(sys.modules, probe.TRANSFER, ModuleType("transfer_to_npu"))
    assert probe.transferred("npu:0")
    with pytest.raises(RunError) as refused:
        probe.transferred("cpu")
    assert str(refused.value) == (
        "the model imports transfer_to_npu, which puts on the NPU what it asks of CUDA: tune it "
        "with --backend npu, or without that import"
    )


def test_a_host_without_npus_is_tuned_on_its_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = chosen(monkeypatch, [])
    assert (facts.backend, facts.backend_reason) == ("cpu", "the interpreter has no torch_npu")
