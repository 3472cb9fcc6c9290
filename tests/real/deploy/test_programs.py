"""A best configuration in somebody else's program with torch: what is read back there."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from tests.support.programs import CONFIGURATION, KEEP, RUN, VARIABLES, best, ran, written
from tuner.deploy import apply
from tuner.deploy import best as best_file
from tuner.worker.applied import after_import

EXPECTED = [1, "PASSIVE", "67108864"]
# What the program has: threads of torch, the wait policy that libgomp was started with, malloc's.
SEEN = """
import json, os, torch
names = ("OMP_WAIT_POLICY", "MALLOC_TOP_PAD_")
print(json.dumps([torch.get_num_threads(), *(os.environ.get(name) for name in names)]))
"""


@pytest.mark.parametrize("how", ["script", "module", "console script", "subprocess"])
def test_a_program_runs_with_it_however_it_is_started(
    how: str, torch_python: str, exported: Path, tmp_path: Path
) -> None:
    (tmp_path / "serve.py").write_text(SEEN)
    console = tmp_path / "serve"
    console.write_text(f"#!{torch_python}\nimport serve\n")
    console.chmod(0o755)
    (tmp_path / "parent.py").write_text(
        "import subprocess, sys\nsys.exit(subprocess.call([sys.executable, 'serve.py']))\n"
    )
    command = {
        "script": [torch_python, "serve.py"],
        "module": [torch_python, "-m", "serve"],
        "console script": [str(console)],
        "subprocess": [torch_python, "parent.py"],
    }[how]
    done = ran([*RUN, str(exported), "--", *command], tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == EXPECTED
    assert done.stderr.count("npu-tune: set after the import of torch: threads=1") == 1
    assert "npu-tune: environment: OMP_WAIT_POLICY=PASSIVE MALLOC" in done.stderr


def test_the_same_program_without_it_is_as_it_was(torch_python: str, tmp_path: Path) -> None:
    assert json.loads(ran([torch_python, "-c", SEEN], tmp_path).stdout) == [2, None, None]


def test_looking_whether_torch_is_there_takes_nothing_away(
    torch_python: str, exported: Path, tmp_path: Path
) -> None:
    probing = "import importlib.util; assert importlib.util.find_spec('torch')\n"
    done = ran([*RUN, str(exported), "--", torch_python, "-c", probing + SEEN], tmp_path)
    assert json.loads(done.stdout) == EXPECTED, done.stderr


def test_a_setting_that_fails_is_said_and_the_program_goes_on(
    torch_python: str, tmp_path: Path
) -> None:
    knobs = json.dumps({"module": "torch", "knobs": [["threads", "many", "threads"]]})
    variables = {after_import.VARIABLE: knobs, "PYTHONPATH": str(apply.STARTUP)}
    code = "import torch; print('goes on')"
    done = ran([torch_python, "-c", code], tmp_path, **variables)
    assert done.stdout == "goes on\n"
    assert "nothing; could not be set: threads=many (" in done.stderr


def test_in_code_it_is_applied_before_torch_and_refused_after(
    torch_python: str, tmp_path: Path
) -> None:
    path = tmp_path / "best.yaml"
    best_file.write(
        best({"threads": 1, "openmp_wait": "passive"}, {"OMP_WAIT_POLICY": "PASSIVE"}), path
    )
    early = "import tuner; tuner.apply('best.yaml')\n"
    done = ran([torch_python, "-c", early + SEEN], tmp_path)
    assert json.loads(done.stdout) == [1, "PASSIVE", None], done.stderr
    late = ran([torch_python, "-c", "import torch\n" + early], tmp_path)
    assert "UsageError: best.yaml: too late, torch is imported already" in late.stderr


def test_the_shell_file_gives_the_same_read_back(torch_python: str, tmp_path: Path) -> None:
    path = written("env", CONFIGURATION, VARIABLES, tmp_path / "best.env")
    script = f". {path}; {torch_python} -c '{SEEN}'"
    done = ran(["sh", "-c", script], tmp_path)
    assert json.loads(done.stdout)[1:] == EXPECTED[1:]
    assert "# threads=1, in the program, after import torch:\n#     torch.set_num_threads(1)" in (
        path.read_text()
    )


def test_the_python_file_gives_the_same_read_back(torch_python: str, tmp_path: Path) -> None:
    configuration = {**CONFIGURATION, "execution": "torchscript", "memory_format": "channels_last"}
    written("python", configuration, VARIABLES, tmp_path / "best.py")
    code = textwrap.dedent("""
        import best
        model = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU()).eval()
        model, inputs = best.prepare(model, (torch.randn(1, 3, 8, 8),))
        kind = isinstance(model, torch.jit.ScriptModule)
        last = inputs[0].is_contiguous(memory_format=torch.channels_last)
        print(kind, last, *model(*inputs).shape)
    """)
    before, after = "import best", code.replace("import best", "", 1)
    done = ran([torch_python, "-c", before + SEEN + after], tmp_path, **KEEP)
    assert done.returncode == 0, done.stderr
    values, prepared = done.stdout.splitlines()
    assert json.loads(values) == EXPECTED
    assert prepared == "True True 1 4 6 6"
    too_late = ran([torch_python, "-c", "import best"], tmp_path)
    assert "to be set before Python starts: MALLOC_TRIM_THRESHOLD_" in too_late.stderr
