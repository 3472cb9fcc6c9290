"""What a study asks of its environment before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.runs import recorded
from tests.support.space_file import GOOD
from tuner.errors import BaselineError, UsageError
from tuner.options import Setup
from tuner.runs.records import Run
from tuner.study.probe import probe, require_ok
from tuner.worker.facts import ProbeFacts
from tuner.worker.protocol import Outcome, TrialResult, TrialSpec


def answered(spec: TrialSpec, **known: Any) -> Run:
    facts = ProbeFacts("cpu", **{"batch_size": 1, **known})
    result = TrialResult(Outcome.OK, probe=facts, fingerprint={"usable_cpus": 2})
    return replace(recorded(0, 1.0).run, spec=spec, result=result)


def test_a_search_space_file_is_looked_for_where_the_user_stood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    monkeypatch.chdir("/")
    asked = Setup("resnet18", backend="cpu", space="mine.yaml", folder=str(tmp_path))
    launcher: Any = SimpleNamespace(run=answered)
    assert probe(asked, launcher, tmp_path)[0].name == "mine"


@pytest.mark.parametrize(
    ("message", "log", "said"),
    [
        (
            "SystemExit: 2",
            "usage: net.py [-h] --data DATA\nnet.py: error: the following arguments are required: "
            "--data\nTraceback (most recent call last):\n  File x\nSystemExit: 2\n",
            "SystemExit: 2; it said: net.py: error: the following arguments are required: --data",
        ),
        (
            "ValueError: why (net.py:3)",
            "reading weights\nTraceback (most recent call last):\n  File x\nValueError: why\n",
            "ValueError: why (net.py:3); it said: reading weights",
        ),
        ("ValueError: why (net.py:3)", "ValueError: why\n", "ValueError: why (net.py:3)"),
    ],
)
def test_the_last_words_of_a_model_that_does_not_load_are_quoted(
    message: str, log: str, said: str
) -> None:
    run = replace(recorded(0).run, result=TrialResult(Outcome.CRASHED, message), log_tail=log)
    with pytest.raises(BaselineError) as error:
        require_ok(run)
    assert str(error.value) == f"the model does not load: crashed: {said}"


def test_a_probe_that_is_late_is_no_fault_of_the_models(tmp_path: Path) -> None:
    late = TrialResult(Outcome.TIMEOUT, "no result after 60 s: torch was being imported")
    launcher: Any = SimpleNamespace(run=lambda spec: replace(answered(spec), result=late))
    with pytest.raises(BaselineError) as raised:
        probe(Setup("resnet18", backend="cpu"), launcher, tmp_path)
    assert str(raised.value) == f"before anything was measured: {late.message}"


def of_no_batch(spec: TrialSpec) -> Run:
    return answered(spec, batch_size=None, no_batch="rows depend")


def test_a_batch_size_cannot_be_set_where_there_is_no_batch(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    setup = Setup("m", backend="cpu", space="mine.yaml", folder=str(tmp_path))
    launcher: Any = SimpleNamespace(run=of_no_batch)
    for pins in ({}, {"batch_size": "1"}):
        space, _ = probe(replace(setup, pins=pins), launcher, tmp_path)
        assert space.knob("batch_size") is None
    with pytest.raises(UsageError, match="the model has no batch: rows depend; --batch-dim N says"):
        probe(replace(setup, pins={"batch_size": "2"}), launcher, tmp_path)
