"""Options: what is refused, what may change, and what is made of what is known of each."""

from __future__ import annotations

import inspect
import math
from pathlib import Path
from typing import Any

import pytest

import tuner
from tuner import api, options
from tuner.cli.main import main
from tuner.errors import UsageError
from tuner.options import Setup


def test_a_setup_survives_the_store() -> None:
    setup = Setup("m", inputs=("1x3",), cpus=(0, 1), pins={"threads": "1"}, timeout_s=3.0)
    assert options.from_dict(options.to_dict(setup)) == setup


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
        (
            {"compare": "m.py:same", "tolerance": 0.1},
            "instead of tolerance (--tolerance): give one",
        ),
        ({"max_latency_ms": 5.0}, "limits objective (--objective) throughput"),
    ],
)
def test_what_means_nothing_is_refused_with_what_is_allowed(
    fields: dict[str, Any], expected: str
) -> None:
    with pytest.raises(UsageError) as refused:
        Setup("m", **fields).validated()
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
    setup = Setup("m", **fields)
    assert setup.validated() == setup


OF_THE_COMMAND_ALONE = {"resume", "take_over", "quiet", "json", "lang"}


def test_the_librarys_parameters_are_named_as_the_options() -> None:
    parameters = inspect.signature(tuner.tune).parameters
    longest = [max(p.opts, key=len) for p in main.commands["tune"].params]
    offered = {name.removeprefix("--").replace("-", "_") for name in longest}
    assert set(parameters) - {"on_progress"} == offered - OF_THE_COMMAND_ALONE
    assert parameters["trials"].default == 40
    assert parameters["memory_limit"].annotation == "int | None"


@pytest.mark.parametrize(
    ("argument", "before"),
    [
        ({"budget": 30}, {"budget_s": 1800.0}),
        ({"memory_limit": "4GiB"}, {"memory_limit_bytes": 2**32}),
        ({"memory_limit": 1000}, {"memory_limit_bytes": 1000}),
        ({"timeout": 5}, {"timeout_s": 5}),
        ({"pause": None}, {"pause_ms": None}),
        ({"set": {"threads": "2"}}, {"pins": {"threads": "2"}}),
        ({"input": "1x3"}, {"inputs": ("1x3",)}),
        ({"input": ["1x3", "2"]}, {"inputs": ("1x3", "2")}),
    ],
)
def test_a_name_of_an_earlier_version_means_the_same(
    argument: dict[str, Any], before: dict[str, Any]
) -> None:
    assert options.values_of(api.named(argument)) == options.values_of(api.named(before)) == before


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"budget": 1, "budget_s": 60.0}, "budget and budget_s are the same option: give one"),
        ({"budget": "soon"}, r"budget_s \(--budget\) 'soon': minutes read like 30 or 0.5"),
    ],
)
def test_a_wrong_argument_of_the_library_is_named(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        tuner.tune("m", **given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"trails": 3}, "there is no option trails; nearest: trials"),
        ({"folder": "/x"}, "there is no option folder; nearest: "),
        ({"trials": 3, "budget_s": 60.0}, "budget_s (--budget) says how long, trials (--trials)"),
        ({"inputs": ["3y4"]}, "inputs (--input) '3y4': the shape reads like 1x3x224x224"),
        ({"cpus": 3}, "cpus (--cpus) 3: 'int' object is not iterable"),
    ],
)
def test_what_a_user_gives_wrongly_is_named(given: dict[str, Any], expected: str) -> None:
    with pytest.raises(UsageError) as refused:
        options.new_setup({"model": "m", **given})
    assert expected in str(refused.value)


def test_a_study_is_begun_where_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    given = {"model": "m", "confirm": 8, "cpus": [0, 1], "space": Path("a.yaml"), "env_script": "s"}
    assert options.new_setup(given) == Setup(
        "m", confirm="8", cpus=(0, 1), space="a.yaml", env_script=f"{tmp_path}/s",
        folder=str(tmp_path),
    )  # fmt: skip


def test_another_number_of_trials_stands_instead_of_a_budget() -> None:
    stored = options.to_dict(Setup("m", budget_s=60.0, seed=3))
    assert options.resumed_setup(stored, {"trials": 9, "seed": 3}) == Setup("m", trials=9, seed=3)


def test_what_decides_what_is_measured_does_not_change_on_resume() -> None:
    with pytest.raises(UsageError, match=r"begun with cpus \(--cpus\) \(0,\), not \(1,\)"):
        options.resumed_setup(options.to_dict(Setup("m", cpus=(0,))), {"cpus": (1,)})
    with pytest.raises(UsageError, match=r"begun with compare \(--compare\) 'm.py:same', not 'm"):
        options.resumed_setup(options.to_dict(Setup("m", compare="m.py:same")), {"compare": "m:f"})
