"""A best configuration in a program on torch_npu, emulated CANN: what torch_npu says it has."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.cann_emulator import build
from tests.support.cann_emulator.calls import of_processes, total
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
WITH = ["2", True, "disable"]


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


# Three further inputs; of each the error against eager. The first output is looked at again last.
CAPTURED = """
import json, tuned, torch
torch.manual_seed(0)
layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()
model = torch.nn.Sequential(*layers).eval().npu()
inputs = [torch.randn(1, 3, 8, 8).npu() for _ in range(3)]
with torch.no_grad():
    right = [model(x).cpu() for x in inputs]
    replayed, _ = tuned.prepare(model, (torch.randn(1, 3, 8, 8).npu(),))
    outputs = [replayed(x) for x in inputs]
    overwriting, _ = tuned.prepare(model, (inputs[0],), copy_outputs=False)
    kept = overwriting(inputs[0])
    overwriting(inputs[1])
errors = [float((o.cpu() - r).abs().max()) for o, r in zip(outputs, right)]
print(json.dumps([max(errors), float((kept.cpu() - right[1]).abs().max())]))
"""


def test_the_exported_module_captures_and_replays_with_one_call(
    torch_python: str, torch_npu_site: Path, cann: Path, tmp_path: Path
) -> None:
    if "NPUGraph" not in (torch_npu_site / "torch_npu" / "npu" / "__init__.py").read_text():
        pytest.skip("this torch_npu has no NPUGraph; that it says so is tested elsewhere")
    exported = best({"internal_format": "off", "execution": "npugraph"}, {}, "npu")
    entries = space_file.entries_of(exported.configuration, exported.backend)
    stages = {name: entry.apply for name, entry in entries.items()}
    (tmp_path / "tuned.py").write_text(formats.text(exported, "python", entries, stages))
    (tmp_path / "calls").mkdir()
    variables = build.environment(cann, numerics=1, stats=tmp_path / "calls")
    command = [torch_python, "-c", CAPTURED]
    errors = values_in(command, tmp_path, {**variables, "PYTHONPATH": str(torch_npu_site)})
    assert errors == [0.0, 0.0]  # the same kernels; the kept output is that of the second call
    (calls,) = of_processes(tmp_path / "calls")
    assert total(calls, "graph:replay") == 5
    warm_and_captured = 2 * 4  # of either module
    assert total(calls, "aclnn-2:aclnnRelu") == 3 + warm_and_captured
