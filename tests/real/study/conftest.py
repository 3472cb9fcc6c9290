"""Two real studies, made once a session: what reads a study gets a copy of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cann_emulator import build
from tests.support.command import process
from tests.support.npu import CONVNET, env_script
from tests.support.once import once
from tests.support.studies import copied
from tuner.deploy import best
from tuner.options import Setup
from tuner.runs.store import Store
from tuner.study import session
from tuner.study.runner import Caller

ON_CPU = ["--backend", "cpu", "--trials", "2", "--confirm", "6", "--set", "execution=torchscript"]


@pytest.fixture
def cpu_study(
    torch_python: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of a confirmed study on the CPU."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # other tests run beside

    def make(folder: Path) -> None:
        options = [*ON_CPU, "--python", torch_python, "--study", "real", "--json"]
        done = process(folder, "--model", CONVNET, *options)
        assert done.returncode == 0, done.stderr
        (folder / "stdout.json").write_text(done.stdout)

    return copied(once(shared / "cpu-study", make), tmp_path, monkeypatch)


@pytest.fixture
def npu_study(
    torch_python: str,
    torch_npu_site: Path,
    cann: Path,
    shared: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """A copy of a study on an emulated NPU, of one run of each trial."""

    def make(folder: Path) -> None:
        script = env_script(folder, {**build.environment(cann), "PYTHONPATH": str(torch_npu_site)})
        setup = Setup(
            CONVNET, trials=2, backend="npu", confirm="off", baseline_runs=1, python=torch_python,
            env_script=script,
        )  # fmt: skip
        store = Store(f"sqlite:///{folder}/results/npu-tune.db")
        summary = session.tune(setup, store, "real", Caller(), folder / "results")
        store.close()
        best.export(summary, folder / "results")

    return copied(once(shared / "npu-study", make), tmp_path, monkeypatch)
