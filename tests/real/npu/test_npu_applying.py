"""A best configuration in a program on torch_npu, emulated CANN: what torch_npu says it has."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.cann_emulator import build
from tests.support.programs import RUN, best
from tuner.deploy import best as best_file
from tuner.deploy import formats
from tuner.space import file as space_file
from tuner.space.model import Configuration

CONFIGURATION: Configuration = {"task_queue": 2, "jit_compile": "off", "internal_format": "off"}
VARIABLES = {"TASK_QUEUE_ENABLE": "2"}
SEEN = """
import json, os, torch, torch_npu
torch.ones(2).npu()
option = torch_npu._C._npu_getOption("ALLOW_INTERNAL_FORMAT")
option = option.decode() if isinstance(option, bytes) else option
off = torch_npu.npu.is_jit_compile_false()
print(json.dumps([os.environ.get("TASK_QUEUE_ENABLE"), bool(off), option or ""]))
"""
WITHOUT, WITH = [None, False, ""], ["2", True, "disable"]


def values_in(command: list[str], folder: Path, variables: dict[str, str]) -> list[object]:
    done = subprocess.run(
        command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    values: list[object] = json.loads(done.stdout.splitlines()[-1])
    return values


@pytest.fixture
def variables(torch_npu_site: Path, cann: Path) -> dict[str, str]:
    """Of a shell in which torch_npu, and an emulated CANN on which jit is on, are found."""
    path = os.pathsep.join([str(ROOT), str(torch_npu_site)])
    return {**build.environment(cann, jit="enable"), "PYTHONPATH": path}


def test_a_program_without_it_is_as_it_was(
    torch_python: str, variables: dict[str, str], tmp_path: Path
) -> None:
    assert values_in([torch_python, "-c", SEEN], tmp_path, variables) == WITHOUT


def test_a_program_that_is_started_with_it_has_it(
    torch_python: str, variables: dict[str, str], tmp_path: Path
) -> None:
    best_file.write(best(CONFIGURATION, VARIABLES, "npu"), tmp_path / "best.yaml")
    (tmp_path / "serve.py").write_text(SEEN)
    command = [*RUN, "best.yaml", "--", torch_python, "serve.py"]
    assert values_in(command, tmp_path, variables) == WITH


@pytest.mark.parametrize("form", ["env", "python"])
def test_the_exported_files_give_the_same(
    form: str, torch_python: str, variables: dict[str, str], tmp_path: Path
) -> None:
    exported = best(CONFIGURATION, VARIABLES, "npu")
    entries = space_file.entries_of(exported.configuration, exported.backend)
    stages = {name: entry.apply for name, entry in entries.items()}
    text = formats.text(exported, form, entries, stages)
    if form == "python":
        (tmp_path / "tuned.py").write_text(text)
        command = [torch_python, "-c", "import tuned\n" + SEEN]
    else:
        (tmp_path / "best.env").write_text(text)
        lines = [line[6:] for line in text.splitlines() if line.startswith("#     ")]
        code = "import torch, torch_npu\n" + "\n".join(lines) + "\n" + SEEN
        (tmp_path / "by_hand.py").write_text(code)
        command = ["sh", "-c", f". ./best.env; {torch_python} by_hand.py"]
    assert values_in(command, tmp_path, variables) == WITH
