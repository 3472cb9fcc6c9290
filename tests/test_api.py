"""The library: the documented example runs as it stands."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tuner
from tests.support import ROOT
from tests.support.pretend import Pretend
from tuner.errors import StudyConflictError, UsageError
from tuner.options import DEFAULT_STORAGE
from tuner.runs.store import Store


def test_the_documented_example_runs_as_it_stands(
    tmp_path: Path,
    pretend: Pretend,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (ROOT / "docs/how-to/library.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (example,) = [block for block in blocks if "import tune" in block]
    chinese = (ROOT / "docs/how-to/library.zh-CN.md").read_text()
    code_lines = [line.split("  #")[0] for line in example.splitlines() if line]
    assert [line for line in code_lines if line not in chinese] == []
    _, python = pretend(factors={"execution=torchscript": 0.25})
    monkeypatch.setattr(sys, "executable", python)  # the workers' interpreter, if none is named
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    verdict, configuration, _ = capsys.readouterr().out.splitlines()
    assert verdict.startswith("faster ")
    assert "'execution': 'torchscript'" in configuration
    assert (tmp_path / "results" / "model-1.yaml").is_file()


def test_a_wrong_argument_is_a_tuner_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"trials \(--trials\) 0: must be a whole"):
        tuner.tune("mobilenet_v2", trials=0)
    with pytest.raises(UsageError, match="'speed': must be latency or throughput"):
        tuner.tune("mobilenet_v2", objective="speed")
    with pytest.raises(UsageError, match=r"--study \.\./x: letters, digits"):
        tuner.tune("mobilenet_v2", study="../x")
    Store(DEFAULT_STORAGE).close()
    with pytest.raises(StudyConflictError, match="there is no study 'nosuch'"):
        tuner.load_result("nosuch")


@pytest.mark.parametrize("read", [tuner.load_result, tuner.replay_study])
def test_what_only_reads_makes_no_database(
    read: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyConflictError, match="there is no database sqlite:///results/"):
        read("nosuch")
    assert list(tmp_path.iterdir()) == []
