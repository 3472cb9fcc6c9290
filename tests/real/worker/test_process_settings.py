"""What a model's own code changes in its process: noticed, and kept out of the tool's way."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.real.worker.test_worker import Launch, launch, setting
from tests.support import DATA
from tuner.worker import handlers, output_check, process_settings, repeatable, weights, whole
from tuner.worker.failure import print_trace
from tuner.worker.knobs import execution
from tuner.worker.protocol import InputSpec, ModelSpec, Outcome
from tuner.worker.workload import Workload, make_inputs, resize_batch

__all__ = ["launch"]
ODD = DATA / "models" / "odd.py"


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """All that these tests change is put back."""
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    handler = signal.getsignal(signal.SIGUSR1)
    monkeypatch.chdir(os.getcwd())
    with warnings.catch_warnings():
        yield
    signal.signal(signal.SIGUSR1, handler)
    torch.use_deterministic_algorithms(False)
    torch.set_grad_enabled(True)
    torch.set_default_dtype(dtype)
    torch.set_default_device(None)
    torch.set_num_threads(threads)


@pytest.mark.usefixtures("own_process")
def test_every_setting_that_a_module_changes_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(number: int, frame: Any) -> None:
        """A handler."""

    torch.set_num_threads(2)
    monkeypatch.setattr(signal, "getitimer", lambda _: (0.0, 0.0))
    before = process_settings.seen()
    assert process_settings.changes(before, process_settings.seen()) == []
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    torch.use_deterministic_algorithms(True)
    torch.set_grad_enabled(False)
    warnings.simplefilter("error")
    monkeypatch.setattr(signal, "getitimer", lambda _: (1000.0, 0.0))
    signal.signal(signal.SIGUSR1, stop)
    os.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", None)
    changes = process_settings.changes(before, process_settings.seen())
    others = ("working", "standard", "handler")
    assert [line for line in changes if not line.startswith(others)] == [
        "threads 2 -> 1",
        "default dtype torch.float32 -> torch.float64",
        "default device cpu -> meta",
        "gradients on -> off",
        "deterministic algorithms False -> True",
        "alarm none -> set",
    ]
    assert f"working folder {before['working folder']} -> {tmp_path}" in changes
    assert any(c.startswith("standard output ") and c.endswith(" -> closed") for c in changes)
    assert any(c.startswith("handler of SIGUSR1 SIG_DFL -> ") for c in changes)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (lambda: None, "shown"),
        (lambda: warnings.simplefilter("error"), "errors"),
        (lambda: warnings.simplefilter("error", DeprecationWarning), "shown"),
        (lambda: warnings.filterwarnings("error", "a text"), "shown"),
    ],
)
def test_only_a_filter_of_all_warnings_makes_them_errors(filters: Any, expected: str) -> None:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        filters()
        assert process_settings.seen()["warnings"] == expected


@pytest.mark.usefixtures("own_process")
def test_own_tensors_do_not_follow_the_defaults(tmp_path: Path) -> None:
    specs = [InputSpec([2, 4]), InputSpec([2], "int64")]
    module = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.BatchNorm1d(4)).eval()
    wanted = make_inputs(specs, 0)
    torch.set_default_dtype(torch.float16)
    torch.set_default_device("meta")
    floats, integers = make_inputs(specs, 0)
    assert torch.equal(floats, wanted[0])
    assert torch.equal(integers, wanted[1])
    workload = Workload(module, (floats,), {}, module)
    weights.calibrate(workload)
    weights.save(module, str(tmp_path / "weights.pt"))
    weights.load(module, str(tmp_path / "weights.pt"))
    repeatable.share_inputs(workload, str(tmp_path / "inputs.pt"))
    repeatable.take_inputs(workload, str(tmp_path / "inputs.pt"))
    assert repeatable.examine(workload, 0) == (False, "")
    resize_batch(workload, 4)
    output = (workload.call(), 0.1, 3, [True])
    kept = output_check.values_of(output)
    assert [value.tensor.device.type for value in kept] == ["cpu"] * 4
    assert output_check.check(output, kept).status == "passed"
    again = whole.again(whole.kept(output), output)
    assert again[0].shape == (4, 4)
    assert again[1:] == (0.1, 3, [True])


class Branching(torch.nn.Module):  # type: ignore[misc]
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        warnings.warn("of the operators' own", DeprecationWarning, stacklevel=1)
        return x + 1 if x.sum() > 0 else x - 1


@pytest.mark.usefixtures("own_process")
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_a_trace_is_made_whatever_the_models_filters_are(action: Any) -> None:
    warnings.simplefilter(action)
    module = Branching().eval()
    workload = Workload(module, (torch.ones(3),), {}, module)
    execution.apply("torchscript", workload)
    assert workload.forward(torch.ones(3)).tolist() == [2.0, 2.0, 2.0]
    assert workload.warnings == [
        "Converting a tensor to a Python boolean might cause the trace to be incorrect"
    ]


@pytest.mark.usefixtures("own_process")
def test_threads_are_set_again_where_the_model_has_set_them_back() -> None:
    for value, expected in ((2, ["threads"]), ("unset", [])):
        torch.set_num_threads(2)
        knobs = [setting("threads", value, "process"), setting("memory_format", "channels_last")]
        before = handlers.settable_again(knobs, {})
        assert handlers.set_again(knobs, before, {}) == []
        torch.set_num_threads(1)
        assert handlers.set_again(knobs, before, {}) == expected
        assert torch.get_num_threads() == (2 if expected else 1)


@pytest.mark.parametrize(
    ("error", "written"),
    [
        (ValueError("why"), "ValueError: why\n"),
        (SystemExit(2), ""),  # what it said before is its last word
    ],
)
def test_a_trace_is_written_whatever_became_of_standard_error(
    error: BaseException,
    written: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    print_trace(error)
    assert capfd.readouterr().err == written


def test_a_model_that_changes_everything_is_measured_as_it_was_asked(launch: Launch) -> None:
    model = ModelSpec("python_file", f"{ODD}:changes_its_process")
    knobs = [setting("threads", 2, "process"), setting("execution", "torchscript")]
    result = launch(model=model, knobs=knobs).result
    assert (result.outcome, result.message) == (Outcome.OK, "")
    assert result.set_again == ["threads"]
    assert result.read_back["threads"].value == 2
    assert result.read_back["execution"].value == "torchscript"
