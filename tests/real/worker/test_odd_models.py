"""Models as people have them: asked before anything is tuned, measured where that can be."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.real.worker.test_worker import Launch, launch
from tests.support import DATA
from tuner.worker import batch, build, repeatable, weights
from tuner.worker.failure import RunError
from tuner.worker.models import Loaded, python_file
from tuner.worker.protocol import ModelSpec, Outcome, Role, TrialSpec
from tuner.worker.workload import Workload

__all__ = ["launch"]
ODD = DATA / "models" / "odd.py"
Made = Callable[[str], Workload]


def made(factory: str, file: Path = ODD) -> Workload:
    """The workload of one of the models."""
    spec = TrialSpec("s", 0, Role.PROBE, "cpu", ModelSpec("python_file", f"{file}:{factory}"))
    repeatable.seed(0)
    loaded: Loaded = python_file.load(spec.model)
    return build.workload_of(loaded, spec)


@pytest.mark.parametrize(
    ("factory", "gradients", "why_not"),
    [
        (
            "keeps_state",
            False,
            "the model keeps state from call to call, or draws random numbers that no",
        ),
        ("needs_gradients", True, ""),
        ("records", False, ""),
    ],
)
def test_what_does_not_give_the_same_twice_has_a_name(
    factory: str, gradients: bool, why_not: str
) -> None:
    answer = repeatable.examine(made(factory), 0)
    assert answer[0] is gradients
    assert answer[1].startswith(why_not)
    assert bool(answer[1]) is bool(why_not)


def test_a_model_that_changes_its_input_in_the_first_call_alone_is_refused() -> None:
    with pytest.raises(RunError, match=r"changes its input in place.*x = x\.clone"):
        repeatable.examine(made("changes_input_once"), 0)


@pytest.mark.parametrize(
    ("factory", "dim", "why_none"),
    [
        ("records", 0, ""),
        ("needs_gradients", 0, ""),
        ("time_first", 0, "rows of twice the inputs are not what they are alone"),
        ("time_first", 1, ""),
        ("rows_depend", 0, "rows of twice the inputs are not what they are alone"),
        ("records", 2, "no input has a dimension 2"),
    ],
)
def test_a_batch_is_where_twice_the_inputs_give_each_row_twice(
    factory: str, dim: int, why_none: str
) -> None:
    workload = made(factory)
    with torch.set_grad_enabled(factory == "needs_gradients"):
        answer = batch.why_none(workload, dim)
    assert answer.startswith(why_none)
    assert bool(answer) is bool(why_none)


def test_another_process_has_the_same_inputs_whoever_drew_them(launch: Launch) -> None:
    model = ModelSpec("python_file", f"{ODD}:other_randomness")
    first, second = (launch(model=model).result for _ in range(2))
    assert first.output is not None
    assert second.output is not None
    assert (second.outcome, second.output.digest) == (Outcome.OK, first.output.digest)


def test_shared_inputs_are_taken_where_they_fit(tmp_path: Path) -> None:
    path, mine = str(tmp_path / "inputs.pt"), made("records")
    repeatable.share_inputs(mine, path)
    other: Any = Workload(None, (torch.zeros(3, 4),), {}, lambda: None)
    repeatable.take_inputs(other, path)
    assert torch.equal(other.args[0], mine.args[0])
    longer: Any = Workload(None, (torch.zeros(5, 4),), {}, lambda: None)
    repeatable.take_inputs(longer, path)
    assert longer.args[0].shape == (5, 4)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state},
        lambda state: {"model_state_dict": state, "optimizer": {}},
        lambda state: {"model": {f"module.{name}": value for name, value in state.items()}},
        lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
        lambda state: {f"module._orig_mod.{name}": value for name, value in state.items()},
    ],
)
def test_checkpoints_load_as_people_have_them(
    wrapped: Callable[[dict[str, Any]], Any], tmp_path: Path
) -> None:
    path, module = tmp_path / "checkpoint.pt", torch.nn.Linear(4, 2)
    torch.save(wrapped({"weight": torch.ones(2, 4), "bias": torch.zeros(2)}), path)
    weights.load(module, str(path))
    assert module(torch.ones(1, 4)).tolist() == [[4.0, 4.0]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"weight": torch.ones(2, 4)}, "does not fit the model: it lacks bias, and has none"),
        ({"weight": torch.ones(2, 4), "bias": torch.ones(2), "x": torch.ones(1)}, "and has x that"),
        ({"weight": torch.ones(2, 3), "bias": torch.ones(2)}, "size mismatch for weight"),
        ({"epoch": 3, "optimizer": {}}, "holds no tensors by name, but epoch, optimizer"),
        ([torch.ones(2)], "holds no tensors by name, but list"),
        (torch.nn.Linear(4, 2), "a whole module is loaded by a factory of your own"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_called_what_it_is(
    content: Any, said: str, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.pt"
    torch.save(content, path)
    with pytest.raises(RunError) as error:
        weights.load(torch.nn.Linear(4, 2), str(path))
    assert said in str(error.value)


def test_what_is_no_tensor_of_a_state_dict_stays_the_factorys(tmp_path: Path) -> None:
    path, file = str(tmp_path / "weights.pt"), DATA / "models" / "states.py"
    first, second = (made("extra_state", file) for _ in range(2))
    with torch.no_grad():
        first.module[0].weight.fill_(2.0)
    weights.save(first.module, path)
    weights.load(second.module, path)
    assert torch.equal(second.module[0].weight, first.module[0].weight)
    assert second.module[0].recipe.largest == 6.0


def test_a_file_is_imported_as_its_author_runs_it(tmp_path: Path) -> None:
    path = tmp_path / "copy.py"  # the name of a module of the standard library
    path.write_text(
        "import argparse, torch\n"
        "parser = argparse.ArgumentParser()\n"
        "parser.add_argument('--width', type=int, default=3)\n"
        "width = parser.parse_args().width\n"
        "def make(): return torch.nn.Linear(4, width), torch.zeros(1, 4)\n"
    )
    loaded = python_file.load(ModelSpec("python_file", f"{path}:make"))
    assert loaded.module.out_features == 3
    import copy

    assert hasattr(copy, "deepcopy")


def test_a_file_of_a_package_is_answered_with_the_way_that_works(tmp_path: Path) -> None:
    path = tmp_path / "mine" / "nets" / "net.py"
    path.parent.mkdir(parents=True)
    (path.parent / "__init__.py").touch()
    (path.parent / "parts.py").write_text("import torch\nlayer = torch.nn.Linear(2, 2)\n")
    path.write_text("from .parts import layer\ndef make(): return layer\n")
    where = f"name it as nets.net:FUNCTION, from the folder {tmp_path}/mine"
    with pytest.raises(RunError) as refused:
        python_file.load(ModelSpec("python_file", f"{path}:make"))
    assert str(refused.value).endswith(where)
    way = ModelSpec("python_file", "nets.net:make", folder=f"{tmp_path}/mine")
    assert python_file.load(way).module.in_features == 2
    assert sys.path[-1] == f"{tmp_path}/mine"
    assert sys.argv == [f"{tmp_path}/mine/nets/net.py"]


def test_a_file_speaks_to_the_log_and_hears_nothing(launch: Launch, tmp_path: Path) -> None:
    path = tmp_path / "asks.py"
    path.write_text("def make():\n    print('loading')\n    return input('which one?')\n")
    run = launch(model=ModelSpec("python_file", f"{path}:make"))
    assert run.result.message == "EOFError: EOF when reading a line (asks.py:3)"
    assert run.log_tail.startswith("loading\nwhich one?")


def test_two_files_of_one_name_are_two_modules_and_one_file_is_one(tmp_path: Path) -> None:
    functions = []
    for folder in ("a", "b", "a"):
        path = tmp_path / folder / "net.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("def make(): return __file__\n")
        functions.append(python_file.function_of(f"{path}:make", ""))
    assert functions[0] is functions[2]
    assert [function() for function in functions[:2]] == [
        f"{tmp_path}/a/net.py",
        f"{tmp_path}/b/net.py",
    ]


@pytest.fixture(autouse=True)
def _arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's import changes both."""
    monkeypatch.setattr(sys, "argv", ["pytest"])
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_a_model_without_parameters_has_weights_that_load(tmp_path: Path) -> None:
    path = str(tmp_path / "weights.pt")
    weights.save(torch.nn.ReLU(), path)
    weights.load(torch.nn.ReLU(), path)
    with pytest.raises(RunError, match="it lacks weight, bias"):
        weights.load(torch.nn.Linear(1, 1), path)
