"""What a knob reads back as, and which values are known not to work before they are tried."""

from __future__ import annotations

import functools
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tests.support import DATA
from tuner.worker import build, compiler, probe
from tuner.worker.applied.libraries import find_library, preload_fault
from tuner.worker.engines import inductor
from tuner.worker.facts import ProbeFacts
from tuner.worker.knobs import execution, memory_format, threads
from tuner.worker.protocol import ModelSpec, ProbeRequest, ReadBack, Role, TrialSpec
from tuner.worker.workload import Workload


class Viewing(nn.Module):  # type: ignore[misc]
    """Takes a convolution's output for contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).view(-1)


def made(file: str, factory: str) -> Workload:
    """One of the tests' models with its inputs."""
    reference = f"{DATA / 'models' / file}:{factory}"
    spec = TrialSpec("s", 0, Role.PROBE, "cpu", ModelSpec("python_file", reference))
    return build.workload_of(build.load(spec), spec)


def workload(module: nn.Module, *args: torch.Tensor) -> Workload:
    return Workload(module, args, {}, module)


@pytest.fixture
def dynamo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Dynamo for real, but nothing is made of its graphs: they run as they are."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    monkeypatch.setattr(inductor, "FALL_BACKS", [])
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield torch._dynamo
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("factory", "reason"),
    [
        ("counts_its_calls", "calls"),
        ("collects_activations", "activations"),
        ("alternates", "calls"),
    ],
)
def test_a_model_that_is_compiled_too_often_reads_back_as_eager(
    factory: str, reason: str, dynamo: Any
) -> None:
    changing = made("repeating.py", factory)
    execution.apply("inductor", changing)
    with dynamo.config.patch(recompile_limit=3):
        for _ in range(3):
            changing.call()
        assert execution.read_back(changing, None).value == "inductor"
        for _ in range(2):
            changing.call()
    back = execution.read_back(changing, None)
    assert (back.value, back.certain) == ("eager", True)
    assert back.how.startswith("fell back to eager after 3 compilations: ")
    assert reason in back.how


@pytest.mark.parametrize(
    ("said", "kept"),
    [  # torch 2.1, with and without the variable that has it report failures; torch 2.7, 2.13
        (
            "torch._dynamo hit config.cache_size_limit (8)\n   function: 'f' (m.py:3)\n"
            "   reasons:  L['self'].calls == 7\nto diagnose recompilation issues, see …",
            ["8 compilations: L['self'].calls == 7"],
        ),
        (
            "torch._dynamo hit config.cache_size_limit (64)\n   function: 'f' (m.py:3)\nto …",
            ["64 compilations"],
        ),
        (
            "torch._dynamo hit config.recompile_limit (8)\n   function: 'f' (m.py:3)\n"
            "   last reason: 0/7: self.calls == 7\nTo log all …",
            ["8 compilations: 0/7: self.calls == 7"],
        ),
        (
            "torch._dynamo hit config.recompile_limit (8)\n   function: 'f' (m.py:3)\n"
            "   last reason: 0/7: self.calls == 7          # self.calls += 1  # m.py:4 (HINT: …)",
            ["8 compilations: 0/7: self.calls == 7"],
        ),
        ("something else", []),
    ],
)
def test_the_words_of_each_torch_that_gives_up_are_known(
    said: str, kept: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inductor, "FALL_BACKS", [])
    inductor.FallBacks().emit(logging.makeLogRecord({"msg": said}))
    assert kept == inductor.FALL_BACKS


@pytest.mark.parametrize("count", [1, 2, 3])
def test_code_for_so_many_threads_lies_in_a_cache_of_its_own(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: count)
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    inductor.imported()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / f"threads-{count}")
    assert [path.name for path in tmp_path.iterdir()] == [f"threads-{count}"]


def test_threads_that_the_forward_sets_read_back_as_that_sets_them() -> None:
    greedy, before = made("repeating.py", "sets_threads_in_forward"), torch.get_num_threads()
    try:
        threads.apply(2, greedy)
        greedy.call()
        assert threads.read_back(greedy, None) == ReadBack(1, True, "torch.get_num_threads()")
    finally:
        torch.set_num_threads(before)


@pytest.mark.usefixtures("dynamo")
def test_what_the_model_has_compiled_by_itself_is_no_eager_baseline() -> None:
    own = workload(torch.compile(nn.Linear(4, 4)), torch.ones(1, 4))
    own.call()
    how = "1 graphs compiled by the model's own code"
    assert execution.read_back(own, None) == ReadBack("inductor", True, how)


def test_a_model_of_which_nothing_can_be_compiled_reads_back_as_eager(dynamo: Any) -> None:
    class Opaque(nn.Module):  # type: ignore[misc]
        @dynamo.disable  # type: ignore[untyped-decorator]
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + 1

    opaque = workload(Opaque(), torch.ones(1, 4))
    execution.apply("inductor", opaque)
    opaque.call()
    how = "nothing of it was compiled"
    assert execution.read_back(opaque, None) == ReadBack("eager", True, how)


@pytest.mark.parametrize(
    ("module", "shape", "value", "certain"),
    [
        (nn.Conv2d(3, 4, 3), (1, 3, 8, 8), "channels_last", True),
        (nn.Conv2d(3, 4, 3), (3, 8, 8), "channels_last", True),  # an image without a batch
        (nn.Linear(4, 4), (1, 4), "contiguous", True),  # nothing to convert
        (nn.Conv2d(1, 4, 1), (1, 1, 8, 8), "contiguous", False),  # fits both
        (nn.Conv3d(3, 4, 3), (1, 3, 4, 8, 8), "contiguous", True),  # of a video: nothing to convert
        (
            nn.Sequential(nn.Conv3d(3, 4, 3), nn.Conv2d(3, 4, 3)),
            (1, 3, 4, 8, 8),
            "channels_last",
            True,
        ),
    ],
)
def test_a_memory_format_is_read_from_inputs_else_weights(
    module: nn.Module, shape: tuple[int, ...], value: str, certain: bool
) -> None:
    of_shape = workload(module, torch.ones(shape))
    memory_format.apply("channels_last", of_shape)
    back = memory_format.read_back(of_shape, None)
    assert (back.value, back.certain) == (value, certain)


def facts_of(module: nn.Module) -> ProbeFacts:
    request = ProbeRequest({"memory_format": ["channels_last"], "threads": [1]})
    return probe._with_failing(ProbeFacts(), request, workload(module, torch.ones(1, 3, 8, 8)))


def test_the_probe_tries_a_format_once_and_keeps_what_the_model_says() -> None:
    assert facts_of(nn.Conv2d(3, 4, 3)).missing == {}
    why = facts_of(Viewing()).missing["memory_format"]["channels_last"]
    assert why.startswith("the model fails with it: RuntimeError: view size is not compatible")


def program(folder: Path, text: str) -> str:
    path = folder / "compiler"
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('echo "x.cpp:1:10: fatal error: cmath: No such file" >&2; exit 1', "fatal error: cmath"),
        ("exit 1", "no word of why"),
        ('while [ "$1" != -o ]; do shift; done; echo no > "$2"', "cannot be loaded"),
    ],
)
def test_a_compiler_that_does_not_work_here_is_known_by_its_own_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, why: str
) -> None:
    monkeypatch.setenv(compiler.FOLDER, str(tmp_path / "cache"))
    assert why in compiler.fault(program(tmp_path, text), needs_python=True)
    assert os.listdir(tmp_path / "cache") == []


def test_the_compiler_of_this_host_works() -> None:
    assert compiler.fault("g++", needs_python=True) == ""


def test_a_library_that_cannot_be_preloaded_is_known_by_the_loaders_line(tmp_path: Path) -> None:
    broken = tmp_path / "libbroken.so"
    broken.write_text("not a library")
    assert "cannot be preloaded" in preload_fault(str(broken))
    assert preload_fault(find_library("libm.so.6")) == ""
