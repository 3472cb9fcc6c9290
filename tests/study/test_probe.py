"""What a study asks of its environment before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.runs import recorded
from tests.support.space_file import GOOD
from tuner.options import Setup
from tuner.runs.records import Run
from tuner.study.probe import probe
from tuner.worker.facts import ProbeFacts
from tuner.worker.protocol import Outcome, TrialResult, TrialSpec


def answered(spec: TrialSpec) -> Run:
    facts = ProbeFacts("cpu", batch_size=1)
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
