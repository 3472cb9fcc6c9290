"""A study that version 0.1.0 stored and exported is read, and goes on.

Its interpreter, ./python, was a pretended one whose torch was 2.9.0.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tuner
from tests.support import DATA
from tests.support.command import npu_tune
from tests.support.pretend import Pretend

WON = {"execution": "torchscript", "memory_format": "channels_last", "allocator": "glibc-keep"}
RESUME = ["--resume", "--study", "s", "--trials", "6", "--confirm", "off", "--quiet"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands, with that study."""
    (tmp_path / "results").mkdir()
    shutil.copy(DATA / "store-0.1.0.db", tmp_path / "results" / "npu-tune.db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_is_shown() -> None:
    shown = npu_tune("show", "s")
    assert shown.exit_code == 0, shown.output
    assert "execution=torchscript memory_format=channels_last allocator=glibc-keep" in shown.stdout
    assert "6 pairs of fresh runs" in shown.stdout
    assert "\nmeasured alone\n" in shown.stdout


def test_its_trials_are_shown() -> None:
    shown = npu_tune("show", "s", "--trial", "1")
    assert shown.exit_code == 0, shown.output
    assert "read back: execution" in shown.stdout


def test_it_is_compared() -> None:
    done = npu_tune("compare", "s", "s", "--json")
    (comparison,) = json.loads(done.stdout)["comparisons"]
    assert (done.exit_code, comparison["baseline"]["comparison"]["speedup"]) == (0, 1.0)
    assert comparison["environment"] == []


def test_its_export_says_what_it_said_then() -> None:
    done = npu_tune("export", "s", "-o", "again.yaml")
    assert done.exit_code == 0, done.output
    then, now = tuner.load_best(DATA / "best-0.1.0.yaml"), tuner.load_best("again.yaml")
    assert {name: now.configuration[name] for name in WON} == WON
    assert (now.verdict, now.configuration) == (then.verdict, then.configuration)
    assert (now.evidence.pairs, round(now.evidence.speedup, 1)) == (6, 2.0)


def test_it_is_resumed_where_its_versions_are_still_there(pretend: Pretend) -> None:
    pretend(factors={"memory_format=channels_last": 0.5})
    done = npu_tune(*RESUME)
    assert done.exit_code == 0, done.output
    assert "6 of 6" in npu_tune("list").stdout


def test_it_is_not_resumed_with_another_torch(pretend: Pretend) -> None:
    pretend(fingerprint={"torch": "2.10.0"})
    done = npu_tune(*RESUME)
    assert done.exit_code == 7
    assert "study 's' was begun with torch 2.9.0, its environment has 2.10.0 now" in done.stderr
