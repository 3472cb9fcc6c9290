"""Two real studies, made once a session: what reads a study gets a copy of one."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.support import DATA
from tests.support.cann_emulator import build
from tests.support.command import process
from tests.support.once import once
from tests.support.studies import copied

TINY = DATA / "models" / "tiny.py"
ON_CPU = ["--backend", "cpu", "--trials", "2", "--confirm", "6", "--set", "execution=torchscript"]
ON_NPU = ["--backend", "npu", "--trials", "2", "--confirm", "off"]


def make(folder: Path, *options: str) -> None:
    """Run the study `real` in a folder, and keep what it printed there."""
    done = process(folder, "--model", f"{TINY}:convnet", "--study", "real", "--json", *options)
    assert done.returncode == 0, done.stderr
    (folder / "stdout.json").write_text(done.stdout)


@pytest.fixture
def cpu_study(
    torch_python: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of a confirmed study on the CPU."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # other tests run beside
    options = [*ON_CPU, "--python", torch_python]
    folder = once(shared / "cpu-study", lambda folder: make(folder, *options))
    return copied(folder, tmp_path, monkeypatch)


@pytest.fixture
def npu_study(
    torch_python: str,
    torch_npu_site: Path,
    cann: Path,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A copy of a study on an emulated NPU."""
    variables = {**build.environment(cann), "PYTHONPATH": str(torch_npu_site)}

    def begin(folder: Path) -> None:
        script = folder / "set_env.sh"
        script.write_text("".join(f"export {n}={shlex.quote(v)}\n" for n, v in variables.items()))
        make(folder, *ON_NPU, "--python", torch_python, "--env-script", str(script))

    return copied(once(shared / "npu-study", begin), tmp_path, monkeypatch)
