"""Engines where there are none, and what torch itself brings; the others: tests/engines."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from tuner.worker.applied.engines.file import digest
from tuner.worker.failure import RunError
from tuner.worker.knobs import cpu_precision, execution, threads
from tuner.worker.workload import Workload


class Broken(types.ModuleType):
    """Half an installation: whatever is asked of it fails."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(f"libtbb.so.12: no {name}")


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_an_engine_that_is_not_there_or_is_broken_is_left_out_with_the_reason(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, engine, None)
    assert execution.missing(engine).startswith(f"{engine} cannot be used: ModuleNotFoundError")
    monkeypatch.setitem(sys.modules, engine, Broken(engine))
    assert execution.missing(engine).startswith(f"{engine} cannot be used: RuntimeError: libtbb")


def test_an_engine_without_what_executes_on_processors_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = types.ModuleType("onnxruntime")
    other.get_available_providers = lambda: ["CUDAExecutionProvider"]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "onnxruntime", other)
    assert execution.missing("onnxruntime") == "this onnxruntime has no CPUExecutionProvider"


def test_a_torch_without_packages_has_no_aotinductor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("torch._inductor.aoti_compile_and_package")
    text = f"torch {torch.__version__} has no AOTInductor packages"
    assert execution.missing("aotinductor") == text


@pytest.mark.usefixtures("one_thread")
def test_aotinductor_gives_the_same_and_says_for_how_many_threads_it_was_made(
    tmp_path: Path,
) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Softmax(1)).eval()
    behind = Workload(model, (torch.randn(2, 4),), {}, model, exports=str(tmp_path))
    execution.apply("aotinductor", behind)
    torch.testing.assert_close(behind.call(), model(*behind.args))
    assert execution.read_back(behind, None).value == "aotinductor"
    back = threads.read_back(behind, None)
    assert back.value == 1
    assert [path.suffix for path in tmp_path.iterdir()] == [".pt2"]


def test_what_cannot_be_exported_is_unsupported_and_leaves_nothing(tmp_path: Path) -> None:
    class Branching(nn.Module):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1 if x.sum() > 0 else x

    behind = Workload(Branching(), (torch.ones(2),), {}, Branching(), exports=str(tmp_path))
    with pytest.raises(RunError, match="aotinductor: ") as failure:
        execution.apply("aotinductor", behind)
    assert failure.value.outcome.value == "unsupported"
    assert list(tmp_path.iterdir()) == []


def test_a_files_name_is_of_what_is_in_it() -> None:
    torch.manual_seed(0)
    first, x = nn.Linear(2, 2), torch.ones(1, 2)
    name = digest(first, [x])
    assert digest(first, [x.clone()]) == name
    with torch.no_grad():
        first.weight[0, 0] += 1
    names = {name, digest(first, [x]), digest(first, [torch.ones(3, 2)]), digest(first, [x], 2)}
    torch.manual_seed(0)

    class Other(nn.Linear):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return -super().forward(x)

    assert len(names | {digest(Other(2, 2), [x])}) == 5


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (nn.Hardtanh(-1, 1), nn.Hardtanh(-0.1, 0.1)),
        (nn.Sequential(nn.ReLU(), nn.Sigmoid()), nn.Sequential(nn.Sigmoid(), nn.ReLU())),
        (nn.LayerNorm(2, elementwise_affine=False), nn.LayerNorm(2, 1e-3, False)),
        (nn.Dropout().eval(), nn.Dropout().train()),
    ],
)
def test_a_files_name_is_of_the_models_settings_too(one: nn.Module, other: nn.Module) -> None:
    x = torch.ones(1, 2)
    assert digest(one, [x]) == digest(one, [x])
    assert digest(one, [x]) != digest(other, [x])


def test_a_files_name_is_of_plain_attributes_and_tensors_that_are_no_parameters() -> None:
    model, x = nn.Identity(), torch.ones(1, 2)
    names = []
    for scale, shift in ((1.0, torch.zeros(1)), (2.0, torch.zeros(1)), (2.0, torch.ones(1))):
        model.scale, model.shift = scale, shift
        names.append(digest(model, [x]))
    assert len(set(names)) == 3


@pytest.mark.parametrize(
    ("cpuinfo", "why"),
    [
        ("flags : fpu avx2 avx512_bf16", ""),
        ("Features : asimd bf16", ""),
        (
            "flags : fpu avx2 avx512f",
            "this processor has no bfloat16 (avx512_bf16, amx_bf16, bf16)",
        ),
    ],
)
def test_bfloat16_is_for_processors_that_have_it(
    cpuinfo: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    path.write_text(cpuinfo)
    monkeypatch.setattr(cpu_precision, "CPUINFO", str(path))
    assert cpu_precision.missing("bfloat16") == why


@pytest.mark.parametrize("value", ["bfloat16", "bfloat16-autocast"])
@pytest.mark.parametrize("way", ["", "torchscript"])
def test_bfloat16_acts_on_what_is_executed_whatever_the_way(value: str, way: str) -> None:
    model = nn.Linear(4, 4).eval()
    short = Workload(model, (torch.randn(1, 4),), {}, model)
    cpu_precision.apply(value, short)
    if way:
        execution.apply(way, short)
    with torch.no_grad():
        assert short.call().dtype == torch.bfloat16
    back = cpu_precision.read_back(short, None)
    assert (back.value, back.certain) == (value, True)
