"""What is called equal, what is not, and what is said of it."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tuner.worker import output_check
from tuner.worker.output_check import FIRST, check, values_of, why_unusable
from tuner.worker.outputs import OVERWRITES, Outputs
from tuner.worker.protocol import KnobSetting, ModelSpec, Role, TrialSpec
from tuner.worker.workload import Workload, other_inputs

REAL = torch.linspace(-1, 1, 24).reshape(4, 6)


def verdict(output: Any, reference: Any, tolerance: float | None = None) -> tuple[str, str]:
    result = check(output, values_of(reference), tolerance)
    return result.status, result.reason


def moved(tensor: torch.Tensor, *place: int, by: float = 1.0) -> torch.Tensor:
    changed = tensor.clone()
    changed[place] += by
    return changed


def nested(*parts: torch.Tensor) -> Any:
    """Tensors of different lengths in one, which torch warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor(list(parts))


@pytest.mark.parametrize(
    ("output", "reference", "said"),
    [
        (moved(REAL, 1, 2), REAL, "1 of 24 elements differ, in 1 of 4 rows (all others agree): "),
        (REAL + 1, REAL, "24 of 24 elements differ, in 4 of 4 rows: relative error 1, "),
        ({"boxes": moved(REAL, 0, 0)}, {"boxes": REAL}, "output ['boxes']: 1 of 24"),
        (torch.complex(REAL, REAL + 1), torch.complex(REAL, REAL), "24 of 48 elements differ"),
        ((REAL, torch.tensor([3, 1])), (REAL, torch.tensor([3, 2])), "output [1]: 1 of 2"),
        ((REAL, 4), (REAL, 5), "output [1]: 1 of 1 elements differ, and integers must be equal"),
        ((REAL, 0.5), (REAL, 0.6), "output [1]: 1 of 1 elements differ: relative error 0.167, "),
        (REAL.numpy() + 1, REAL.numpy(), "24 of 24 elements differ"),
        (moved(REAL, 0, 0, by=float("nan")), REAL, "1 of 24 elements differ, in 1 of 4 rows"),
        ((REAL + 1).to_sparse(), REAL.to_sparse(), "24 of 24 elements differ"),
        (nested(REAL, REAL[:1] + 1), nested(REAL, REAL[:1]), "output [1]: 6 of 6 elements differ"),
        (REAL[:2], REAL, "shapes [(2, 6)] instead of [(4, 6)]"),
    ],
)  # fmt: skip
def test_what_differs_is_said(output: Any, reference: Any, said: str) -> None:
    status, reason = verdict(output, reference)
    assert status == "failed"
    assert said in reason


@pytest.mark.parametrize(
    ("dtype", "passes", "fails"),
    [
        (torch.float64, 0.0009, 0.0011),
        (torch.float32, 0.0009, 0.0011),
        (torch.float16, 0.0038, 0.005),
        (torch.bfloat16, 0.03, 0.04),
    ],
)
def test_the_tolerance_is_that_of_the_outputs_type(
    dtype: torch.dtype, passes: float, fails: float
) -> None:
    reference = torch.tensor([1.0, 0.5]).to(dtype)
    values = [v._replace(tensor=v.tensor + passes) for v in values_of(reference)]
    for shift, status in ((passes, "passed"), (fails, "failed")):
        values = values_of(reference)
        values = [v._replace(tensor=v.tensor - shift) for v in values]
        assert check(reference, values).status == status
    assert verdict(reference, reference, 0.5)[0] == "passed"
    assert check(reference + 0.25, values_of(reference), 0.5).status == "passed"


def test_one_step_of_a_quantised_output_is_no_difference() -> None:
    values = torch.tensor([1.0, 0.5, -1.0])
    reference = torch.quantize_per_tensor(values, 0.01, 0, torch.qint8)
    for shift, status in ((0.01, "passed"), (0.03, "failed")):
        other = torch.quantize_per_tensor(values - shift, 0.01, 0, torch.qint8)
        assert verdict(other, reference)[0] == status


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (torch.zeros(3), "the baseline's output is all zeros"),
        (torch.ones(3), "the baseline's output is one constant"),
        (torch.tensor([float("inf"), 1.0]), "the baseline's output holds NaN or infinity"),
        ("text", "the baseline's output holds no numbers"),
        (torch.zeros(3, dtype=torch.int64), ""),
        (torch.tensor([True, True]), ""),
        ((torch.zeros(2, dtype=torch.int64), REAL), ""),
    ],
)
def test_what_no_check_can_be_made_by(reference: Any, why: str) -> None:
    assert why_unusable(values_of(reference)) == why


def test_references_come_back_as_they_were_stored(tmp_path: Path) -> None:
    path, output = (
        str(tmp_path / "outputs.pt"),
        {"a": (REAL.bfloat16(), torch.tensor([1, 2])), "b": 7},
    )
    output_check.store_reference({FIRST: values_of(output)}, path)
    result = check(output, output_check.load_reference(path)[FIRST])
    assert (result.status, result.relative_error) == ("passed", 0.0)


def test_other_inputs_are_of_the_same_shapes_and_the_first_ones_stay() -> None:
    args = (torch.tensor([[1.0, 2.0]]), torch.tensor([3, 4, 9]), torch.tensor(5.0))
    workload = Workload(None, args, {"mask": torch.tensor([True, True, False])}, lambda: None)
    (image, ids, scalar), kwargs = other_inputs(workload)
    assert (image.tolist(), ids.tolist(), float(scalar)) == ([[-2.0, -1.0]], [3, 8, 9], 5.0)
    assert kwargs["mask"].tolist() == [True, False, False]
    assert workload.args[0].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(("copies", "warned"), [(True, []), (False, [OVERWRITES])])
def test_a_mode_whose_next_call_overwrites_the_output_says_so(
    tmp_path: Path, copies: bool, warned: list[str]
) -> None:
    module = torch.nn.Linear(6, 3)
    workload = Workload(module, (REAL + 1,), {}, module)
    place = torch.zeros(4, 3)

    def into_place(x: torch.Tensor) -> torch.Tensor:
        place.copy_(module(x))
        return place.clone() if copies else place

    knob = KnobSetting("execution", "torchscript", "model", "execution")
    spec = TrialSpec(
        "s", 0, Role.BASELINE, "cpu", ModelSpec("python_file", "m"),
        reference_path=str(tmp_path / "outputs.pt"),
    )  # fmt: skip
    with torch.no_grad():
        Outputs(spec, {}).first_fails(workload.call(), workload)
        workload.forward = into_place
        known: dict[str, Any] = {}
        outputs = Outputs(replace(spec, role=Role.SEARCH, knobs=[knob]), known)
        assert not outputs.first_fails(workload.call(), workload)
        assert not outputs.last_fails(workload.call(), workload)
    assert (known["output"].others, workload.warnings) == ("passed", warned)
