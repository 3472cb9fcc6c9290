"""The engines for real: what they give, what they say of themselves, what they leave behind."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from tests.engines.nested import Nested, inputs
from tuner.worker.engines.behind import Engine
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


@pytest.mark.parametrize("engine", ENGINES)
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
    assert isinstance(behind.forward, Engine)
    precision = behind.forward.loaded.get_property("INFERENCE_PRECISION_HINT").to_string()
    own = "openvino" if precision == "f32" else "openvino-own-precision"
    wanted = ReadBack(own, True, f"INFERENCE_PRECISION_HINT is {precision}")
    assert execution.read_back(behind, None) == wanted
