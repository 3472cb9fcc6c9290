"""The library: the documented example runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import tuner
from tests.support import ROOT
from tuner.errors import StudyConflictError, UsageError
from tuner.options import DEFAULT_STORAGE
from tuner.runs.store import Store

MODEL = """
import torch

def make():
    return torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU()), torch.randn(1, 3, 16, 16)
"""


@pytest.mark.usefixtures("torch_python")
def test_the_documented_example_runs_as_it_stands(tmp_path: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (example,) = [block for block in blocks if "import tune" in block]
    chinese = (ROOT / "README.zh-CN.md").read_text()
    code_lines = [line.split("  #")[0] for line in example.splitlines() if line]
    assert [line for line in code_lines if line not in chinese] == []
    (tmp_path / "model.py").write_text(MODEL)
    (tmp_path / "example.py").write_text(example)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    verdicts = ("faster", "slower", "same", "unclear")
    assert done.stdout.split()[0] in verdicts
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
