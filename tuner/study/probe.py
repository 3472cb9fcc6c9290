"""Which interpreter, backend and values there are: asked of a worker before a study begins."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from ..errors import BaselineError, UnfitEnvironmentError, UsageError
from ..options import BASELINE_DEADLINE_S, Setup
from ..policy import BATCH_SIZE
from ..runs.device import CPU, measured_on
from ..runs.launcher import COMPILE_CACHE, WORKER, Launcher
from ..runs.log import without_traces
from ..runs.records import Run, StudyFacts
from ..space import file, narrowing
from ..space.file import LoadedFile
from ..space.model import SearchSpace
from ..worker.protocol import Outcome, ProbeRequest, Role, TrialSpec
from .naming import function_reference, model_spec

LOCATE_DEADLINE_S = 60.0
NO_CACHES = shutil.ignore_patterns("__pycache__")


def make_launcher(setup: Setup, folder: Path) -> Launcher:
    """How the workers of such a study are started. Behind a prefix the worker comes along.

    Raises UnfitEnvironmentError.
    """
    launcher = Launcher(
        python="",
        folder=folder,
        variables=compile_cache(folder),
        prefix=tuple(shlex.split(setup.launch_prefix)),
        env_script=setup.env_script,
        without=setup.without,
    )
    if launcher.prefix:
        copy = folder / "worker"  # this package need not be installed there
        shutil.copytree(WORKER.parent, copy, dirs_exist_ok=True, ignore=NO_CACHES)
        # What another user writes there could not be removed here.
        variables = {**launcher.variables, "PYTHONDONTWRITEBYTECODE": "1"}
        python, worker = setup.python or "python3", copy / WORKER.name
        return replace(launcher, python=python, worker=worker, variables=variables)
    if setup.env_script and not os.access(setup.env_script, os.R_OK):
        raise UnfitEnvironmentError(f"--env-script {setup.env_script}: cannot be read")
    return replace(launcher, python=interpreter(setup.python))


def interpreter(python: str) -> str:
    """The worker's interpreter as an absolute path. Raises UnfitEnvironmentError."""
    path = shutil.which(python or sys.executable)
    if path is None:
        raise UnfitEnvironmentError(f"--python {python}: there is no such interpreter")
    return os.path.abspath(path)


def compile_cache(folder: Path) -> dict[str, str]:
    """Inductor's cache lies with the study and goes with it, unless the user has chosen a place."""
    if COMPILE_CACHE in os.environ:
        return {}
    return {COMPILE_CACHE: str(folder / "inductor")}


def probe(setup: Setup, launcher: Launcher, folder: Path) -> tuple[SearchSpace, StudyFacts]:
    """Learn what the environment can do; return the space narrowed to it, and the facts."""
    loaded = _space_file(setup, setup.backend if setup.backend != "auto" else "cpu")
    run = launcher.run(probe_spec(setup, folder, narrowing.request(loaded)))
    facts = facts_of(run)
    backend = facts.probe.backend
    if setup.backend == "auto" and backend != loaded.space.backend:
        loaded = _space_file(setup, backend)
        run = launcher.run(probe_spec(setup, folder, narrowing.request(loaded)))
        facts = facts_of(run)
    if loaded.space.backend != backend:
        raise UsageError(
            f"search space {loaded.space.name} is for backend {loaded.space.backend}, not {backend}"
        )
    space = narrowing.narrowed(loaded, facts.probe, facts.fingerprint, setup.allow_lossy)
    pins = dict(setup.pins)
    if facts.probe.no_batch:
        space = narrowing.without_batch(space, facts.probe.no_batch)
        if pins.pop(BATCH_SIZE, "1") != "1":
            raise UsageError(
                f"--set {BATCH_SIZE}={setup.pins[BATCH_SIZE]}: the model has no batch: "
                f"{facts.probe.no_batch}; --batch-dim N says which dimension of the inputs is one"
            )
    elif BATCH_SIZE not in pins and facts.probe.batch_size is not None:
        space = narrowing.with_default_batch(space, facts.probe.batch_size)
    for knob, value in pins.items():
        space = narrowing.pin(space, knob, value)
    return narrowing.without_broken_presets(space).validated(), facts


def located(setup: Setup, launcher: Launcher) -> str | None:
    """The name of the device that a probe will most likely use; None where it cannot be told.

    Asked where the workers run, without torch; the probe's own answer decides.
    """
    if setup.backend == "cpu":
        return CPU.name
    spec = replace(probe_spec(setup, launcher.folder, ProbeRequest()), role=Role.LOCATE)
    result = launcher.run(replace(spec, deadline_s=LOCATE_DEADLINE_S)).result
    if result.outcome != Outcome.OK or result.probe is None:
        return None  # the probe will say why
    return measured_on(result.probe.backend, result.fingerprint).name


def _space_file(setup: Setup, backend: str) -> LoadedFile:
    return file.load(file.find(setup.space or backend, setup.folder))


def probe_spec(setup: Setup, folder: Path, request: ProbeRequest) -> TrialSpec:
    """What a worker is asked before a study; it makes the shared weights in the folder."""
    return TrialSpec(
        study="",
        trial=-1,
        role=Role.PROBE,
        backend=setup.backend,
        model=model_spec(setup),
        device=setup.device,
        seed=setup.seed,
        deadline_s=setup.timeout_s or BASELINE_DEADLINE_S,
        cpus=list(setup.cpus),
        memory_limit_bytes=setup.memory_limit_bytes,
        compare=function_reference(setup.compare, setup.folder),
        weights_path=str(folder / "weights.pt"),
        inputs_path=str(folder / "inputs.pt"),
        probe=request,
    )


def facts_of(run: Run) -> StudyFacts:
    """What a probe has told. Raises as `require_ok` does."""
    require_ok(run)
    assert run.result.probe is not None
    return StudyFacts(run.result.probe, run.result.fingerprint)


def require_ok(run: Run) -> None:
    """Raises UnfitEnvironmentError, UsageError or BaselineError where a probe was not answered."""
    result = run.result
    if result.outcome == Outcome.OK:
        return
    if result.outcome == Outcome.ENVIRONMENT_ERROR:
        no_backend = result.message.startswith("backend ")
        doctor = "npu-tune doctor, with the same --python, --env-script and --launch-prefix"
        advice = f"; what to do: {doctor}" if no_backend else ""
        raise UnfitEnvironmentError(result.message + advice)
    if result.outcome == Outcome.UNSUPPORTED:
        raise UsageError(result.message)
    if result.outcome == Outcome.TIMEOUT:
        raise BaselineError(f"before anything was measured: {result.message}")
    lines = without_traces(run.log_tail).splitlines()
    said = [line for line in lines if line not in result.message][-1:]
    raise BaselineError(
        f"the model does not load: {result.outcome.value}: {result.message}"
        + "".join(f"; it said: {line}" for line in said)
    )
