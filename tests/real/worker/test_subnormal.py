"""Subnormal numbers are found where they are, without a timer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support import DATA
from tuner.worker import probe, subnormal
from tuner.worker.facts import ProbeFacts
from tuner.worker.protocol import ModelSpec, Role, TrialSpec
from tuner.worker.workload import Workload

ODD = DATA / "models" / "odd.py"


def fades(x: torch.Tensor) -> torch.Tensor:
    """One, and what has faded away: its result is normal, what it computes with is not."""
    return 1.0 + (x * 1e-20) * 1e-20


def workload(module: Any, *args: Any) -> Workload:
    own = module if isinstance(module, torch.nn.Module) else torch.nn.Identity()
    return Workload(own, args, {}, module)


def tiny_weights() -> Workload:
    linear = torch.nn.Linear(4, 4)
    torch.nn.init.constant_(linear.weight, 1e-40)
    return workload(linear, torch.ones(1, 4))


@pytest.mark.parametrize(
    ("made", "where", "share"),
    [
        (lambda: workload(fades, torch.ones(4)), "aten.mul", 1.0),
        (lambda: workload(fades, torch.tensor([1.0, 0, 0, 0])), "aten.mul", 0.25),
        (lambda: workload(torch.jit.script(fades), torch.ones(4)), "aten.mul", 1.0),
        (tiny_weights, "weights", 1.0),
        (lambda: workload(torch.nn.ReLU(), torch.full((4,), 1e-40)), "inputs", 1.0),
        (lambda: workload(torch.nn.Linear(4, 4), torch.ones(1, 4)), "", 0.0),
        (lambda: workload(torch.nn.Identity(), torch.ones(4).bfloat16() * 1e-40), "", 0.0),
        (lambda: workload(torch.nn.Identity(), torch.zeros(0)), "", 0.0),
    ],
    ids=["result", "quarter", "script", "weights", "inputs", "none", "bfloat16", "empty"],
)
def test_most_of_a_tensor_is_subnormal_somewhere(made: Any, where: str, share: float) -> None:
    assert subnormal.found(made()) == (where, share)


def test_a_model_that_flushes_them_has_none() -> None:
    assert torch.set_flush_denormal(True)
    try:
        assert subnormal.found(workload(fades, torch.ones(4))) == ("", 0.0)
    finally:
        torch.set_flush_denormal(False)


def test_what_cannot_be_looked_at_is_nothing_to_say() -> None:
    def fails(_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no")

    assert subnormal.found(Workload(torch.nn.ReLU(), (torch.ones(1),), {}, fails)) == ("", 0.0)


@pytest.mark.parametrize(("factory", "where"), [("subnormal", "aten.mul"), ("records", "")])
def test_the_probe_looks_once(factory: str, where: str, tmp_path: Path) -> None:
    model = ModelSpec("python_file", f"{ODD}:{factory}")
    paths = {"weights_path": str(tmp_path / "w"), "inputs_path": str(tmp_path / "i")}
    spec = TrialSpec("s", 0, Role.PROBE, "cpu", model, **paths)  # type: ignore[arg-type]
    assert probe.with_model(ProbeFacts("cpu"), spec, "cpu").subnormal_in == where
