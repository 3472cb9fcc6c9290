"""Which interpreter, backend and values there are: asked of a worker before a study begins."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import options
from ..errors import BaselineError, UnfitEnvironmentError, UsageError
from ..options import BASELINE_DEADLINE_S, Setup
from ..policy import BATCH_SIZE
from ..runs.device import CPU, measured_on
from ..runs.launcher import WORKER, Launcher
from ..runs.log import without_traces
from ..runs.records import Run
from ..space import file, narrowing
from ..space.file import LoadedFile
from ..space.model import SearchSpace
from ..worker.protocol import Outcome, ProbeRequest, Role, TrialSpec

LOCATE_DEADLINE_S = 60.0
COMPILE_CACHE = "TORCHINDUCTOR_CACHE_DIR"
NO_CACHES = shutil.ignore_patterns("__pycache__")


def make_launcher(asked: Setup, folder: Path, python: str = "") -> Launcher:
    """How the workers of such a study are started. Behind a prefix the worker comes along.

    python: instead of the study's. Raises UnfitEnvironmentError.
    """
    launcher = Launcher(
        python="",
        folder=folder,
        variables=compile_cache(folder),
        prefix=tuple(shlex.split(asked.launch_prefix)),
        env_script=asked.env_script,
        without=asked.without,
    )
    wanted = python or asked.python
    if launcher.prefix:
        copy = folder / "worker"  # this package need not be installed there
        shutil.copytree(WORKER.parent, copy, dirs_exist_ok=True, ignore=NO_CACHES)
        # What another user writes there could not be removed here.
        variables = {**launcher.variables, "PYTHONDONTWRITEBYTECODE": "1"}
        python, worker = wanted or "python3", copy / WORKER.name
        return replace(launcher, python=python, worker=worker, variables=variables)
    if asked.env_script and not os.access(asked.env_script, os.R_OK):
        raise UnfitEnvironmentError(f"--env-script {asked.env_script}: cannot be read")
    return replace(launcher, python=interpreter(wanted))


def interpreter(python: str) -> str:
    """The worker's interpreter as an absolute path. Raises UnfitEnvironmentError."""
    found = shutil.which(python or sys.executable)
    if found is None:
        raise UnfitEnvironmentError(f"--python {python}: there is no such interpreter")
    return os.path.abspath(found)


def compile_cache(folder: Path) -> dict[str, str]:
    """Inductor's cache lies with the study and goes with it, unless the user has chosen a place."""
    if COMPILE_CACHE in os.environ:
        return {}
    return {COMPILE_CACHE: str(folder / "inductor")}


def probe(asked: Setup, launcher: Launcher, folder: Path) -> tuple[SearchSpace, dict[str, Any]]:
    """Learn what the environment can do; the space narrowed to it, and the facts."""
    loaded = _space_file(asked, asked.backend if asked.backend != "auto" else "cpu")
    run = launcher.run(probe_spec(asked, folder, narrowing.request(loaded)))
    require_ok(run)
    facts = dict(run.result.facts)
    backend = facts["backend"]
    if asked.backend == "auto" and backend != loaded.space.backend:
        loaded = _space_file(asked, backend)
        run = launcher.run(probe_spec(asked, folder, narrowing.request(loaded)))
        require_ok(run)
        facts = dict(run.result.facts)
    if loaded.space.backend != backend:
        raise UsageError(
            f"search space {loaded.space.name} is for backend {loaded.space.backend}, not {backend}"
        )
    fingerprint = run.result.fingerprint
    space = narrowing.narrowed(loaded, facts, fingerprint, asked.allow_lossy)
    if BATCH_SIZE not in asked.pins:
        space = narrowing.with_default_batch(space, facts["batch_size"])
    for knob, value in asked.pins.items():
        space = narrowing.pin(space, knob, value)
    return space.check(), {**facts, "fingerprint": fingerprint}


def located(asked: Setup, launcher: Launcher) -> str | None:
    """The name of the device that a probe will most likely use; None where it cannot be told.

    Asked where the workers run, without torch; the probe's own answer decides.
    """
    if asked.backend == "cpu":
        return CPU.name
    spec = replace(probe_spec(asked, launcher.folder, ProbeRequest()), role=Role.LOCATE)
    result = launcher.run(replace(spec, deadline_s=LOCATE_DEADLINE_S)).result
    if result.outcome != Outcome.OK:
        return None  # the probe will say why
    return measured_on(result.facts["backend"], result.fingerprint).name


def _space_file(asked: Setup, backend: str) -> LoadedFile:
    return file.load(file.find(asked.space or backend, asked.folder))


def probe_spec(asked: Setup, folder: Path, request: ProbeRequest) -> TrialSpec:
    return TrialSpec(
        study="",
        trial=-1,
        role=Role.PROBE,
        backend=asked.backend,
        model=options.model_spec(asked),
        device=asked.device,
        seed=asked.seed,
        deadline_s=asked.timeout_s or BASELINE_DEADLINE_S,
        cpus=list(asked.cpus),
        memory_limit_bytes=asked.memory_limit_bytes,
        weights_path=str(folder / "weights.pt"),
        probe=request,
    )


def require_ok(run: Run) -> None:
    result = run.result
    if result.outcome == Outcome.OK:
        return
    if result.outcome == Outcome.ENVIRONMENT_ERROR:
        no_backend = result.message.startswith("backend ")
        asked = "; what to do: npu-tune doctor, with the same --python" if no_backend else ""
        raise UnfitEnvironmentError(result.message + asked)
    if result.outcome == Outcome.UNSUPPORTED:
        raise UsageError(result.message)
    said = without_traces(run.log_tail).splitlines()[-1:]
    raise BaselineError(
        f"the model does not load: {result.outcome.value}: {result.message}"
        + "".join(f"; it said: {line}" for line in said if line not in result.message)
    )
