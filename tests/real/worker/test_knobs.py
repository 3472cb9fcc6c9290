"""What a knob reads back as, and which values are known not to work before they are tried."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from tuner.worker import compiler, probe
from tuner.worker.applied.libraries import find_library, preload_fault
from tuner.worker.facts import ProbeFacts
from tuner.worker.knobs import execution, memory_format
from tuner.worker.protocol import ProbeRequest, ReadBack
from tuner.worker.workload import Workload


class Counting(nn.Module):  # type: ignore[misc]
    """Another number in each call: torch.compile guards on it, and compiles again."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 4)
        self.calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return self.net(x)


class Viewing(nn.Module):  # type: ignore[misc]
    """Takes a convolution's output for contiguous."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x).view(-1)


def workload(module: nn.Module, *args: torch.Tensor) -> Workload:
    return Workload(module, args, {}, module)


@pytest.fixture
def dynamo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Dynamo for real, but nothing is made of its graphs: they run as they are."""
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    monkeypatch.setattr(execution, "FALL_BACKS", [])
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield torch._dynamo
    torch._dynamo.reset()


def test_a_model_that_is_compiled_too_often_reads_back_as_eager(
    dynamo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamo.config, "cache_size_limit", 3)
    counting = workload(Counting(), torch.ones(1, 4))
    execution.apply("inductor", counting)
    for _ in range(3):
        counting.call()
    assert execution.read_back(counting, None).value == "inductor"
    for _ in range(2):
        counting.call()
    back = execution.read_back(counting, None)
    assert (back.value, back.certain) == ("eager", True)
    assert back.how.startswith("fell back to eager after 3 compilations: ")
    assert "calls" in back.how


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
