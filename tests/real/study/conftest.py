"""Two real studies, made once a session: what reads a study gets a copy of one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
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
from tuner.study.runner import Caller, Silent
from tuner.worker.protocol import SPEC_FILE, TURN

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


@dataclass(frozen=True)
class Looks(Silent):
    """An observer that looks at what waits, once each of a heat has had a turn."""

    folder: Path

    def heat_at(self, number: int, phase: str, turn: int) -> None:
        """Keep who is there and what it is doing."""
        if (phase, turn) == (TURN, 1):
            members = [look(process) for process in measuring()]
            (self.folder / f"heat-{number}.json").write_text(json.dumps(members))


def measuring() -> list[psutil.Process]:
    """The processes of this one's runs that measure."""
    children = psutil.Process().children(recursive=True)
    return [process for process in children if "--measure" in process.cmdline()]


def look(process: psutil.Process) -> dict[str, Any]:
    """Whose it is, and what it does once it has come to rest."""
    arguments = process.cmdline()
    spec = json.loads(Path(arguments[arguments.index("--measure") - 1], SPEC_FILE).read_text())
    while process.status() == psutil.STATUS_RUNNING:
        pass
    waits_in = Path(f"/proc/{process.pid}/wchan").read_text()
    whose = {"role": spec["role"], "trial": spec["trial"]}
    return {**whose, "pid": process.pid, "status": process.status(), "waits_in": waits_in}


@pytest.fixture
def npu_original(torch_python: str, torch_npu_site: Path, cann: Path, shared: Path) -> Path:
    """The folder of a study in turns on an emulated NPU, of one run of each trial; not written to.

    calls: what each process called. heat-N.json: who waited in that heat, and how.
    """

    def make(folder: Path) -> None:
        (folder / "calls").mkdir()
        emulated = build.environment(cann, stats=folder / "calls")
        script = env_script(folder, {**emulated, "PYTHONPATH": str(torch_npu_site)})
        setup = Setup(
            CONVNET, trials=2, backend="npu", confirm="off", baseline_runs=1, python=torch_python,
            env_script=script, heat="4",
        )  # fmt: skip
        store = Store(f"sqlite:///{folder}/results/npu-tune.db")
        caller = Caller(Looks(folder))
        summary = session.tune(setup, store, "real", caller, folder / "results")
        store.close()
        best.export(summary, folder / "results")

    return once(shared / "npu-study", make)


@pytest.fixture
def npu_study(npu_original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that study."""
    return copied(npu_original, tmp_path, monkeypatch)
