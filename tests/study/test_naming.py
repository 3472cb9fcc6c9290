"""Which model source a name stands for, and how a study is called after its model."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import UsageError
from tuner.options import Setup
from tuner.study import naming


@pytest.mark.parametrize(
    ("model", "source", "reference"),
    [
        ("resnet18", "torchvision", "resnet18"),
        ("net.py:make", "python_file", "/here/net.py:make"),
        ("my.nets:make", "python_file", "my.nets:make"),
        ("a/net.pt", "torchscript", "/here/a/net.pt"),
        ("/abs/net.pt2", "exported", "/abs/net.pt2"),
        ("net.onnx", "torchscript", "/here/net.onnx"),
        ("model.safetensors", "torchscript", "/here/model.safetensors"),
    ],
)
def test_a_model_name_says_its_source(model: str, source: str, reference: str) -> None:
    spec = naming.model_spec(Setup(model, folder="/here"))
    assert (spec.source, spec.reference) == (source, reference)


def test_a_function_is_looked_up_where_the_user_stood() -> None:
    names = ("m.py:same", "/abs/m.py:same", "my.nets:same", "")
    assert [naming.function_reference(name, "/here") for name in names] == [
        "/here/m.py:same",
        "/abs/m.py:same",
        "my.nets:same",
        "",
    ]


def test_a_folder_that_is_there_is_no_name_of_torchvisions(tmp_path: Path) -> None:
    (tmp_path / "nets" / "bert").mkdir(parents=True)
    sources = [
        naming.model_spec(Setup(name, folder=str(tmp_path))).source
        for name in ("nets/bert", "nets/resnet18", "nets")
    ]
    assert sources == ["torchscript", "torchvision", "torchvision"]


def test_a_file_without_a_factory_is_answered_with_the_form() -> None:
    with pytest.raises(UsageError, match=r"net.py:FACTORY"):
        naming.model_spec(Setup("net.py"))


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("resnet18", "resnet18"),
        ("a/b/net.py:make", "net"),
        ("my.nets:make", "my"),
        ("../ü.pt", "model"),
    ],
)
def test_a_study_is_named_after_its_model(model: str, name: str) -> None:
    assert naming.model_name(model) == name
