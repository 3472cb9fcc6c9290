"""Options as text."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest

from tuner import options
from tuner.errors import UsageError
from tuner.options import Setup
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
    spec = options.model_spec(Setup(model, folder="/here"))
    assert (spec.source, spec.reference) == (source, reference)


def test_a_file_without_a_factory_is_answered_with_the_form() -> None:
    with pytest.raises(UsageError, match=r"net.py:FACTORY"):
        options.model_spec(Setup("net.py"))


def test_inputs_have_shape_and_dtype() -> None:
    assert options.parse_input("1x3x8x8") == InputSpec([1, 3, 8, 8], "float32")
    assert options.parse_input("4x128:int64") == InputSpec([4, 128], "int64")


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GiB", 2**32), ("512m", 2**29), ("1.5k", 1536), ("1000", 1000), ("2 TB", 2**41)],
)
def test_sizes_are_bytes(text: str, count: int) -> None:
    assert options.parse_bytes(text) == count


def test_cpus_are_a_sorted_list_of_usable_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert options.parse_cpus("6,0-2") == (0, 1, 2, 6)
    with pytest.raises(UsageError, match="usable on this host: 0,1,2,3,4,5,6,7"):
        options.parse_cpus("9")


def test_a_setup_survives_the_store() -> None:
    one = Setup("m", inputs=("1x3",), cpus=(0, 1), pins={"threads": "1"}, timeout_s=3.0)
    assert options.from_dict(options.to_dict(one)) == one


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
    assert options.model_name(model) == name


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"trials": 0}, "trials (--trials) 0: must be a whole number of at least 1"),
        ({"trials": 2.5}, "trials (--trials) 2.5: must be a whole number of at least 1"),
        ({"trials": None}, "trials (--trials) None: must be a whole number of at least 1"),
        ({"trials": True}, "trials (--trials) True: must be a whole number of at least 1"),
        (
            {"timeout_s": math.nan},
            "timeout_s (--timeout) nan: must be above 0 and at most 604800 s",
        ),
        ({"timeout_s": math.inf}, "timeout_s (--timeout) inf: must be above 0"),
        ({"timeout_s": 1e7}, "timeout_s (--timeout) 10000000.0: must be above 0"),
        ({"timeout_s": 0}, "timeout_s (--timeout) 0: must be above 0"),
        ({"budget_s": math.nan}, "budget_s (--budget) nan: must be a time above 0"),
        ({"budget_s": 10**400}, "must be a time above 0"),
        ({"tolerance": math.nan}, "tolerance (--tolerance) nan: must lie between 0 and 1"),
        ({"tolerance": "0.1"}, "tolerance (--tolerance) '0.1': must lie between 0 and 1"),
        ({"target_effect": math.nan}, "target_effect (--target-effect) nan: must be above 1%"),
        ({"memory_limit_bytes": 2**63}, "memory_limit_bytes (--memory-limit) 9223372036854775808:"),
        (
            {"memory_limit_bytes": 0},
            "memory_limit_bytes (--memory-limit) 0: must be a whole number",
        ),
        ({"seed": -1}, "seed (--seed) -1: must be a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, "seed (--seed) 4294967296: must be a whole number from 0 to"),
        (
            {"device": -1},
            "device (--device) -1: must be a whole number; devices are counted from 0",
        ),
        ({"objective": "speed"}, "objective (--objective) 'speed': must be latency or throughput"),
        ({"backend": "gpu"}, "backend (--backend) 'gpu': must be auto, npu or cpu"),
        (
            {"timed_region": "all"},
            "timed_region (--timed-region) 'all': must be inference, inference+d2h or end-to-end",
        ),
        ({"confirm": "²"}, "confirm (--confirm) '²': must be auto, off or a number of pairs"),
        ({"confirm": "5"}, "confirm (--confirm) '5': must be auto, off or a number of pairs"),
        ({"confirm": "1001"}, "a number of pairs from 6 to 1000"),
        ({"confirm": "9" * 5000}, "a number of pairs from 6 to 1000"),
        (
            {"objective": "throughput", "max_latency_ms": math.nan},
            "max_latency_ms (--max-latency-ms) nan: must be a time above 0",
        ),
        ({"max_latency_ms": 5.0}, "limits objective (--objective) throughput"),
    ],
)
def test_what_means_nothing_is_refused_with_what_is_allowed(
    fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UsageError) as refused:
        Setup("m", **fields).check()
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"trials": 1, "seed": 2**32 - 1, "device": 0, "tolerance": 0.5},
        {"timeout_s": 604800, "budget_s": 0.1, "confirm": "6", "memory_limit_bytes": 1},
        {"objective": "throughput", "max_latency_ms": 1, "confirm": "1000"},
    ],
)
def test_what_lies_on_the_edge_is_allowed(fields: dict[str, Any]) -> None:
    one = Setup("m", **fields)
    assert one.check() == one
