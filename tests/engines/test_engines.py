"""The engines for real: what they give, what they say of themselves, what they leave behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import nn

from tests.engines.nested import Nested, inputs
from tuner.worker.applied.engines import file
from tuner.worker.failure import RunError
from tuner.worker.knobs import execution, threads
from tuner.worker.protocol import ReadBack
from tuner.worker.tree import tensors_of
from tuner.worker.workload import Workload, other_inputs

ENGINES = ("onnxruntime", "openvino", "aotinductor")


def workload(module: nn.Module, *args: torch.Tensor, folder: Path) -> Workload:
    return Workload(module, args, {}, module, exports=str(folder))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("engine", ENGINES)
def test_an_engine_gives_what_the_model_gives_however_that_is_nested(
    engine: str, tmp_path: Path
) -> None:
    model = Nested().eval()
    args, kwargs = inputs()
    behind = Workload(model, args, kwargs, model, exports=str(tmp_path))
    assert execution.missing(engine) == ""
    execution.apply(engine, behind)
    kept = behind.call()
    first = [tensor.clone() for tensor in tensors_of(kept)]
    other_args, other_kwargs = other_inputs(behind)
    for given, named in ((args, kwargs), (other_args, other_kwargs)):
        output = behind.forward(*given, **named)
        wanted = model(*given, **named)
        assert output.keys() == wanted.keys()
        assert (output["count"], type(output["parts"])) == (3, tuple)
        for own, eager in zip(tensors_of(output), tensors_of(wanted), strict=True):
            torch.testing.assert_close(own, eager, atol=1e-5, rtol=1e-4)
    assert all(map(torch.equal, first, tensors_of(kept)))  # the next call has not overwritten it
    assert execution.read_back(behind, None).value == engine


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.usefixtures("two_threads")
def test_threads_are_read_back_from_the_engine(engine: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512)).eval()
    read_back = []
    for count in (1, 2):
        threads.apply(count, None)
        behind = workload(model, torch.randn(64, 512), folder=tmp_path)
        execution.apply(engine, behind)
        threads.apply(3 - count, None)  # torch's own number does not matter any more
        read_back.append(threads.read_back(behind, None))
    assert [(back.value, back.certain) for back in read_back] == [(1, True), (2, True)]
    assert "torch" not in read_back[0].how


@pytest.mark.usefixtures("two_threads")
def test_threads_of_compiled_code_are_read_from_it_and_else_are_torchs(tmp_path: Path) -> None:
    read_back = []
    for shape in ((1, 4), (64, 4096)):  # one loop is worth two threads
        behind = workload(nn.Softmax(1), torch.randn(shape), folder=tmp_path)
        execution.apply("aotinductor", behind)
        read_back.append(threads.read_back(behind, None))
    hows = ["torch.get_num_threads()", "num_threads in its code"]
    assert [(back.value, back.how) for back in read_back] == [(2, how) for how in hows]


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.usefixtures("two_threads")
def test_no_thread_spins_after_a_call(engine: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.Conv2d(64, 64, 3)).eval()
    behind = workload(model, torch.randn(1, 3, 96, 96), folder=tmp_path)
    execution.apply(engine, behind)
    for _ in range(20):
        behind.call()
    process = psutil.Process()
    before = sum(process.cpu_times()[:2])
    time.sleep(1.0)
    assert sum(process.cpu_times()[:2]) - before < 0.5  # one that spins takes 1 s of it


def test_a_file_is_made_once_and_anew_for_other_content(tmp_path: Path) -> None:
    def file_of(module: nn.Module, *shape: int) -> str:
        behind = workload(module.eval(), torch.ones(shape), folder=tmp_path)
        execution.apply("onnxruntime", behind)
        return behind.exported

    torch.manual_seed(0)
    model = nn.Linear(4, 4)
    first = file_of(model, 1, 4)
    made = (tmp_path / first).stat().st_mtime_ns
    assert file_of(model, 1, 4) == first
    assert (tmp_path / first).stat().st_mtime_ns == made
    with torch.no_grad():
        model.bias += 1
    others = [file_of(model, 1, 4), file_of(model, 2, 4), file_of(nn.Linear(4, 4), 1, 4)]
    assert len({first, *others}) == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first, *others])


def test_what_an_engine_cannot_export_is_unsupported_with_the_reason(tmp_path: Path) -> None:
    class Python(nn.Module):  # type: ignore[misc]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(x.numpy()[::-1].copy()) if x.sum() > 0 else x

    with pytest.raises(RunError, match=r"onnxruntime: .*torch\.onnx\.export: "):
        execution.apply("onnxruntime", workload(Python(), torch.ones(3), folder=tmp_path))


def test_own_precision_reads_back_as_what_openvino_chose(tmp_path: Path) -> None:
    behind = workload(nn.Linear(4, 4).eval(), torch.ones(1, 4), folder=tmp_path)
    execution.apply("openvino-own-precision", behind)
    loaded: Any = behind.forward
    precision = loaded.loaded.get_property("INFERENCE_PRECISION_HINT").to_string()
    own = "openvino" if precision == "f32" else "openvino-own-precision"
    wanted = ReadBack(own, True, f"INFERENCE_PRECISION_HINT is {precision}")
    assert execution.read_back(behind, None) == wanted


class PassesOn(nn.Module):  # type: ignore[misc]
    """Gives one of its inputs back, and takes its second by name."""

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"difference": a - 2 * b, "same": a}


@pytest.mark.parametrize("engine", ENGINES)
def test_names_layout_and_gradients_of_the_inputs_do_not_matter(
    engine: str, tmp_path: Path
) -> None:
    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    behind = Workload(PassesOn(), (), {"a": a, "b": b}, PassesOn(), exports=str(tmp_path))
    execution.apply(engine, behind)
    last = b.contiguous(memory_format=torch.channels_last)
    output = behind.forward(b=last, a=a.clone().requires_grad_())
    torch.testing.assert_close(output["difference"], a - 2 * b)
    torch.testing.assert_close(output["same"], a)
    with pytest.raises(
        TypeError, match=r"by name are \['a'\], in the example they were \['a', 'b'\]"
    ):
        behind.forward(a=a)
    with pytest.raises(TypeError, match=r"inputs are \(1, 3, 4, 4\) of torch\.float32, "):
        behind.forward(a=a[:1], b=b)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_model_stays_as_it_was(engine: str, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout()).eval().requires_grad_(False)
    model.train()
    model[1].eval()
    before = [module.training for module in model.modules()]
    execution.apply(engine, workload(model, torch.ones(1, 4), folder=tmp_path))
    assert [module.training for module in model.modules()] == before


def test_aotinductor_leaves_nothing_unpacked(tmp_path: Path) -> None:
    def unpacked() -> set[Path]:
        return set(Path("/tmp").glob("*/data/aotinductor"))

    before = unpacked()
    behind = workload(nn.Linear(4, 4).eval(), torch.ones(1, 4), folder=tmp_path)
    execution.apply("aotinductor", behind)
    behind.call()
    assert unpacked() <= before


def test_a_model_that_no_onnx_file_holds_is_unsupported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "LARGEST_BYTES", 100)
    large = workload(nn.Linear(100, 1), torch.ones(1, 100), folder=tmp_path)
    with pytest.raises(RunError, match=r"its weights take 0\.0 GB, one ONNX file holds 2"):
        execution.apply("onnxruntime", large)


def test_a_full_disk_is_no_fault_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch.onnx, "export", full)
    with pytest.raises(OSError, match="No space left"):
        execution.apply("onnxruntime", workload(nn.Linear(4, 4), torch.ones(1, 4), folder=tmp_path))
