"""Options as text."""

from __future__ import annotations

import os

import pytest

from tuner import setup
from tuner.errors import UsageError
from tuner.setup import Setup
from tuner.worker.protocol import InputSpec


@pytest.mark.parametrize(
    ("model", "source", "reference"),
    [
        ("resnet18", "torchvision", "resnet18"),
        ("net.py:make", "python_file", "/here/net.py:make"),
        ("my.nets:make", "python_file", "my.nets:make"),
        ("a/net.pt", "torchscript", "/here/a/net.pt"),
        ("/abs/net.pt2", "exported", "/abs/net.pt2"),
    ],
)
def test_a_model_name_says_its_source(model: str, source: str, reference: str) -> None:
    spec = setup.model_spec(Setup(model, folder="/here"))
    assert (spec.source, spec.reference) == (source, reference)


def test_a_file_without_a_factory_is_answered_with_the_form() -> None:
    with pytest.raises(UsageError, match=r"net.py:FACTORY"):
        setup.model_spec(Setup("net.py"))


def test_inputs_have_shape_and_dtype() -> None:
    assert setup.parse_input("1x3x8x8") == InputSpec([1, 3, 8, 8], "float32")
    assert setup.parse_input("4x128:int64") == InputSpec([4, 128], "int64")


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GiB", 2**32), ("512m", 2**29), ("1.5k", 1536), ("1000", 1000), ("2 TB", 2**41)],
)
def test_sizes_are_bytes(text: str, count: int) -> None:
    assert setup.parse_bytes(text) == count


def test_cpus_are_a_sorted_list_of_usable_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert setup.parse_cpus("6,0-2") == (0, 1, 2, 6)
    with pytest.raises(UsageError, match="usable on this host: 0,1,2,3,4,5,6,7"):
        setup.parse_cpus("9")


def test_a_setup_survives_the_store() -> None:
    one = Setup("m", inputs=("1x3",), cpus=(0, 1), pins={"threads": "1"}, timeout_s=3.0)
    assert setup.from_dict(setup.to_dict(one)) == one


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
    assert setup.model_name(model) == name
