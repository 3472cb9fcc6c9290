"""What every command prints as JSON: its keys and their types, which scripts rely on."""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType
from typing import Any

import pytest

from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tuner.cli.main import main
from tuner.study import noise

Shape = dict[str, tuple[type, ...]]
TEXT, LIST, MAP, WHOLE, FLAG = (str,), (list,), (dict,), (int,), (bool,)
PLACE = ("PLACE",)  # stands for a pretended interpreter
NO_NPU = {"outcome": "environment_error", "message": "no torch_npu"}

HEAD: Shape = {
    "study": TEXT, "model": TEXT, "backend": TEXT, "emulated_cann": FLAG, "objective": TEXT,
    "trials": (int, NoneType), "budget_s": (float, NoneType), "begun": TEXT,
    "finished": (str, NoneType), "trials_done": WHOLE,
}  # fmt: skip
RESULT: Shape = {
    "study": TEXT, "model": TEXT, "backend": TEXT, "verdict": TEXT, "reason": (dict, NoneType),
    "recommendation": TEXT, "configuration": MAP, "environment_variables": MAP, "evidence": MAP,
    "ablation": LIST, "minimal": (dict, NoneType), "knobs": LIST, "finalists": LIST, "curve": LIST,
    "fixed_cost_baseline": (dict, NoneType), "fixed_cost_best": (dict, NoneType), "trials": WHOLE,
    "failures": MAP, "inert": MAP, "failing": MAP, "in_code": MAP,
    "without_code": (dict, NoneType), "exported": TEXT, "by_execution": LIST, "environment": MAP,
}  # fmt: skip
PROFILE: Shape = {
    "study": TEXT, "trial": WHOLE, "backend": TEXT, "emulated_cann": FLAG, "configuration": MAP,
    "diagnosis": MAP, "times": MAP, "shares": MAP, "operators": LIST, "host_operators": LIST,
    "traced_calls": WHOLE, "fallbacks": LIST, "on_ai_cpu": LIST, "faults_per_call": (float, int),
    "device_error": TEXT, "profiler_error": TEXT, "missing_activities": LIST, "folder": TEXT,
}  # fmt: skip
# What is typed after npu-tune, the keys of what is printed beside format_version.
SHAPES: list[tuple[list[str], Shape]] = [
    (["list"], {"studies": LIST}),
    (["show", "s"], {
        **HEAD, "measuring": (int, NoneType), "inputs": LIST, "environment": MAP,
        "configurations": LIST, "failures": LIST, "result": (dict, NoneType),
    }),
    (["show", "s", "--trial", "1"], {
        "study": TEXT, "trial": WHOLE, "emulated_cann": FLAG, "runs": LIST,
    }),
    (["tune", "--resume", "--study", "s"], {"file": TEXT, **RESULT}),
    (["check", "s", "--confirm", "6", *PLACE], {
        "exit_code": WHOLE, "answer": TEXT, "reason": (dict, NoneType),
        "promised": (dict, NoneType), "seen": (dict, NoneType), "environment": LIST, "study": TEXT,
        "emulated_cann": FLAG,
    }),
    (["compare", "s", "s"], {"comparisons": LIST}),
    (["doctor", *PLACE], {"checks": LIST}),
    (["noise", *PLACE], {
        "exit_code": WHOLE, "in_turns": FLAG, "study": TEXT, "model": TEXT, "backend": TEXT,
        "alone": (dict, NoneType), "floor": MAP, "emulated_cann": FLAG,
    }),
    (["profile", "s"], PROFILE),
    (["rerun", "s", "--trial", "1"], {
        "exit_code": WHOLE, "study": TEXT, "trial": WHOLE, "command": LIST, "outcome": TEXT,
        "message": TEXT, "latency_ms": (float, NoneType),
    }),
    (["delete", "s", "--yes"], {"deleted": LIST}),
    (["export", "s"], {"file": TEXT, "format": TEXT, "study": TEXT, "recommendation": TEXT}),
    (["report", "s"], {"file": TEXT, "studies": LIST}),
]  # fmt: skip
PRINTS_NO_JSON = {"run"}  # it becomes the program


def test_every_command_that_shows_something_is_here() -> None:
    assert {args[0] for args, _ in SHAPES} == set(main.commands) - PRINTS_NO_JSON


@pytest.mark.parametrize(("args", "shape"), SHAPES, ids=[" ".join(a[:3]) for a, _ in SHAPES])
@pytest.mark.usefixtures("study")
def test_json_has_these_keys_of_these_types(
    args: list[str], shape: Shape, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(noise, "MOST", 4)
    unfit = {"role=locate": NO_NPU} if args[0] == "doctor" else {}
    place = pretend("other", failures={**unfit, **({"role=probe": NO_NPU} if unfit else {})})
    typed = [word for arg in args for word in (place if arg == "PLACE" else [arg])]
    done = npu_tune(*typed, "--json")
    data: dict[str, Any] = json.loads(done.stdout)
    assert data.pop("format_version") == 1
    assert set(data) == set(shape)
    assert {k: v for k, v in data.items() if not isinstance(v, shape[k])} == {}


@pytest.mark.usefixtures("study")
def test_what_is_listed_and_shown_is_what_was_measured() -> None:
    (listed,) = json.loads(npu_tune("list", "--json").stdout)["studies"]
    shown = json.loads(npu_tune("show", "s", "--json").stdout)
    assert set(listed) == set(HEAD)
    assert {name: shown[name] for name in HEAD} == listed
    assert (listed["trials"], listed["trials_done"]) == (3, 3)
    assert [0] in [one["trials"] for one in shown["configurations"]]
    assert shown["result"]["verdict"] == "faster"
    (run, *_) = json.loads(npu_tune("show", "s", "--trial", "1", "--json").stdout)["runs"]
    assert (run["role"], run["heat"], run["outcome"]) == ("search", 1, "ok")
    assert len(run["measurement"]["turns"]) == 10


def test_a_list_of_nothing_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = npu_tune("list", "--json")
    assert json.loads(done.stdout) == {"format_version": 1, "studies": []}
