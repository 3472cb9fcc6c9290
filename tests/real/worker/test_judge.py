"""`--compare`: a user's own judgement of outputs, asked instead of a tolerance."""

from __future__ import annotations

import dataclasses
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from tuner.worker import output_check, repeatable, whole
from tuner.worker.failure import RunError, unsupported
from tuner.worker.judge import Judge
from tuner.worker.outputs import Outputs
from tuner.worker.protocol import ModelSpec, Role, TrialSpec
from tuner.worker.workload import Workload

SORTED = """
import torch
def same(reference, output):
    return torch.equal(reference["boxes"].sort(0).values, output["boxes"].sort(0).values)
def why(reference, output):
    return "" if len(reference) == len(output) else f"{len(output)} boxes, not {len(reference)}"
def nothing(reference, output):
    reference.add_(1)
def fails(reference, output):
    return output["scores"]
def changes(reference, output):
    output.mul_(0)
    return bool(reference.mul_(0).sum() == 0)
"""
Judged = Callable[..., Judge]


@pytest.fixture
def judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Judged:
    """The judge of that function in the user's file."""
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "mine.py"
    path.write_text(SORTED)
    return lambda function, **options: Judge(f"{path}:{function}", str(tmp_path), **options)


BOXES = {"boxes": torch.tensor([[3.0], [1.0], [2.0]])}


def test_boxes_in_another_order_are_the_same_where_the_user_says_so(judged: Judged) -> None:
    judge = judged("same")
    moved = {"boxes": BOXES["boxes"].flip(0)}
    assert output_check.check(moved, output_check.values_of(BOXES)).status == "failed"
    check = judge.check(moved, judge.kept(BOXES))
    assert (check.status, check.reason, check.by) == ("passed", "", "mine.py:same")
    others = judge.check({"boxes": BOXES["boxes"] + 1}, judge.kept(BOXES))
    assert (others.status, others.reason) == ("failed", "not the same by mine.py:same")


def test_a_text_says_what_differs(judged: Judged) -> None:
    judge = judged("why")
    kept = judge.kept([1, 2])
    assert judge.check([3, 4], kept).status == "passed"
    assert judge.check([1], kept).reason == "mine.py:why: 1 boxes, not 2"


@pytest.mark.parametrize(
    ("function", "output", "said"),
    [
        ("fails", BOXES, "--compare mine.py:fails: KeyError: 'scores' (mine.py:10)"),
        (
            "nothing",
            torch.ones(2),
            "--compare mine.py:nothing: it returned NoneType, and must return True, False or a "
            "text that says what differs",
        ),
        (
            "same",
            {"boxes": object()},
            "--compare mine.py:same: the output holds a value of type object, which cannot be kept "
            "for it: have the model return tensors, numbers, texts, lists, tuples, mappings or "
            "dataclasses",
        ),
    ],
)
def test_a_fault_of_the_users_function_is_no_configurations(
    function: str, output: Any, said: str, judged: Judged
) -> None:
    for error, outcome in (({}, "environment_error"), ({"error": unsupported}, "unsupported")):
        judge = judged(function, **error)
        with pytest.raises(RunError) as raised:
            judge.check(output, judge.kept(output))
        assert (raised.value.outcome.value, str(raised.value)) == (outcome, said)


def test_a_function_that_is_not_there_is_named(judged: Judged) -> None:
    with pytest.raises(RunError, match=r"^--compare mine\.py:other: .*mine\.py has no function"):
        judged("other")


def test_the_function_may_change_what_it_is_given(judged: Judged) -> None:
    judge, output = judged("changes"), torch.ones(2)
    kept = judge.kept(output)
    assert [judge.check(output, kept).status for _ in range(2)] == ["passed", "passed"]
    assert kept[-1].tolist() == output.tolist() == [1.0, 1.0]


class Detections(NamedTuple):
    boxes: torch.Tensor
    labels: list[str]


@dataclasses.dataclass(frozen=True)
class Spoken:
    tokens: torch.Tensor
    text: str = ""
    beams: Any = None


class Named(OrderedDict):  # type: ignore[type-arg]
    """Such as the outputs of transformers."""


@pytest.mark.parametrize(
    "output",
    [
        Detections(torch.ones(2, 4), ["cat", "dog"]),
        Spoken(torch.arange(3), "a b", (1.5, None, 2 + 1j)),
        Named(logits=[torch.zeros(2)], steps=4),
        ({"a": (1, True), 3: b"x"}, torch.ones(2).numpy()),
        torch.ones(2, requires_grad=True) * 2,
    ],
)
def test_an_output_comes_back_from_a_file_as_the_model_returned_it(
    output: Any, tmp_path: Path
) -> None:
    torch.save(whole.kept(output), tmp_path / "kept.pt")
    stored = torch.load(tmp_path / "kept.pt", weights_only=True)
    made = whole.again(stored, output)
    assert type(made) is type(output)
    assert repr(made).replace(", requires_grad=True", "") in repr(output).replace(
        ", grad_fn=<MulBackward0>", ""
    )


def test_a_type_that_the_output_beside_it_has_not_comes_back_plain() -> None:
    stored = whole.kept([Spoken(torch.arange(3)), Named(a=1)])
    made = whole.again(stored, [])
    assert made[0]["tokens"].tolist() == [0, 1, 2]
    assert [type(item) for item in made] == [dict, dict]


def test_the_first_run_keeps_whole_outputs_and_the_next_is_judged_by_them(
    judged: Judged, tmp_path: Path
) -> None:
    judged("same")  # writes the file
    spec = TrialSpec(
        "s", 0, Role.BASELINE, "cpu", ModelSpec("python_file", "", folder=str(tmp_path)),
        compare=f"{tmp_path}/mine.py:same", reference_path=str(tmp_path / "outputs.pt"),
    )  # fmt: skip
    known: dict[str, Any] = {}
    workload = Workload(torch.nn.Module(), (BOXES["boxes"],), {}, lambda boxes: {"boxes": boxes})
    assert not Outputs(spec, known).first_fails(BOXES, workload)
    second = Outputs(dataclasses.replace(spec, role=Role.SEARCH), known)
    assert not second.first_fails({"boxes": BOXES["boxes"].flip(0)}, workload)
    assert known["output"].by == "mine.py:same"
    assert second.last_fails({"boxes": BOXES["boxes"] + 1}, workload)
    assert known["output"].reason == "not the same by mine.py:same"


def test_an_output_that_the_next_call_overwrites_is_kept_before_it(
    judged: Judged, tmp_path: Path
) -> None:
    judged("why")  # writes the file
    buffer = torch.zeros(2, 2)
    spec = TrialSpec(
        "s", 0, Role.BASELINE, "cpu", ModelSpec("python_file", "", folder=str(tmp_path)),
        compare=f"{tmp_path}/mine.py:why", reference_path=str(tmp_path / "outputs.pt"),
    )  # fmt: skip
    workload = Workload(torch.nn.Module(), (torch.ones(2, 2),), {}, buffer.copy_)
    assert not Outputs(spec, {}).first_fails(workload.call(), workload)
    kept = output_check.load_whole(spec.reference_path)
    assert kept[output_check.FIRST][-1].tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert kept[output_check.OTHER][-1].tolist() == [[-1.0, -1.0], [-1.0, -1.0]]


def test_what_the_user_calls_the_same_is_comparable(judged: Judged) -> None:
    def drawn(boxes: torch.Tensor) -> Any:
        return {"boxes": boxes[torch.randperm(3)]}

    workload = Workload(torch.nn.Module(), (BOXES["boxes"],), {}, drawn)
    torch.manual_seed(0)
    assert repeatable.examine(workload, 0)[1] == repeatable.RANDOM
    assert repeatable.examine(workload, 0, judged("same")) == (False, "")
