"""The worker behind a prefix that drops everything and lives on (data/prefix.sh)."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import psutil

from tests.support import DATA
from tests.support.command import PROGRAM
from tuner.options import Setup
from tuner.space import file
from tuner.space.model import Configuration
from tuner.study.probe import make_launcher
from tuner.worker.protocol import MeasurementRule, ModelSpec, Role, TrialSpec

PREFIX = str(DATA / "prefix.sh")
TINY = DATA / "models" / "tiny.py"
RULE = MeasurementRule(warmup_calls=1, min_samples=5, min_time_s=0.0, blocks=1)
KNOBS: Configuration = {"allocator": "glibc-keep", "openmp_wait": "passive", "threads": 2}


def test_a_worker_behind_a_prefix_ends_when_its_controller_is_killed(
    torch_python: str, tmp_path: Path
) -> None:
    """By the end of standard input: its parent is not the controller, and lives on."""
    options = ["--model", f"{TINY}:sleeps", "--backend", "cpu", "--python", torch_python]
    command = [*PROGRAM, *options, "--launch-prefix", PREFIX]
    controller = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL)
    work = tmp_path / "results" / ".work"
    while len(workers := of_work(work)) < 2:  # the supervisor, and the process that measures
        assert controller.poll() is None
        time.sleep(0.1)
    controller.kill()
    controller.wait()
    assert psutil.wait_procs(workers, timeout=60)[1] == []


def of_work(work: Path) -> list[psutil.Process]:
    """The workers of the runs in a folder, without the shells before them."""
    return [
        process
        for process in psutil.process_iter()
        if f"{work}/" in (line := " ".join(cmdline(process)))
        and "__main__.py" in line
        and "python" in process.name()
    ]


def cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_knobs_take_effect_behind_a_prefix(torch_python: str, tmp_path: Path) -> None:
    space = file.load(file.find("cpu")).space
    settings = [knob.setting(KNOBS[knob.name]) for knob in space.knobs if knob.name in KNOBS]
    spec = TrialSpec(
        "s", 0, Role.BASELINE, "cpu", ModelSpec("python_file", f"{TINY}:convnet"), settings,
        rule=RULE, deadline_s=120, weights_path=f"{tmp_path}/w.pt",
        reference_path=f"{tmp_path}/r.pt",
    )  # fmt: skip
    setup = Setup("m", launch_prefix=PREFIX, python=torch_python)
    result = make_launcher(setup, tmp_path).run(spec).result
    back = {name: (knob.value, knob.certain) for name, knob in result.read_back.items()}
    assert back == {name: (value, True) for name, value in KNOBS.items()}
    assert result.fingerprint["variables"]["MALLOC_TOP_PAD_"] == "67108864"
