"""From options to a finished study: probe, freeze the space, create or resume, run, export."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from . import availability, export, owner, search_space, search_space_file, setup
from .errors import BaselineError, StudyConflictError, UnfitEnvironmentError, UsageError
from .language import say
from .launcher import Launcher, Run, without_traces, work_folder
from .result import Result, result
from .search_space import BATCH_SIZE, WARMUP, SearchSpace
from .search_space_file import LoadedFile
from .setup import Setup
from .store import RecordedRun, Store, StudyRecord
from .study import BASELINE_DEADLINE_S, Observer, Study
from .summary import Summary, summarize
from .worker import protocol
from .worker.protocol import Outcome, ProbeRequest, Role, TrialResult, TrialSpec

RESULTS = Path("results")
COMPILE_CACHE = "TORCHINDUCTOR_CACHE_DIR"


@dataclass(frozen=True)
class Finished:
    """A finished study's result and the file that was written."""

    result: Result
    path: Path


def new_name(store: Store, asked: Setup) -> str:
    """`<model>-<n>`: the first that is free."""
    taken = {record.name for record in store.studies()}
    stem = setup.model_name(asked.model)
    return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)


def find_unfinished(store: Store) -> str:
    """The newest study that is not finished. Raises StudyConflictError."""
    open_names = [record.name for record in store.studies() if record.finished_at is None]
    if not open_names:
        raise StudyConflictError(
            f"--resume: there is no unfinished study in {store.url}; name a finished one with "
            "--study and more --trials to extend it"
        )
    return open_names[-1]


def tune(
    asked: Setup,
    store: Store,
    name: str,
    observer: Observer,
    stop: Callable[[], bool],
    note: Callable[[str], None],
    resume: bool = False,
    take_over: bool = False,
) -> Finished:
    """Run a study to its end and export its best configuration.

    Raises a TunerError; Interrupted when `stop` says so. Whatever was recorded stays.
    """
    existing = store.study(name)
    if resume:
        if existing is None:
            raise StudyConflictError(f"--resume: there is no study {name!r} in {store.url}")
        owner.require_dead(name, existing.owner, take_over)
    elif existing is not None:
        raise StudyConflictError(
            f"study {name!r} exists in {store.url}: continue it with --resume --study {name}, or "
            "choose another name with --study"
        )
    with work_folder(RESULTS, name) as folder:
        launcher = Launcher(interpreter(asked.python), folder, _compile_cache(folder))
        space, facts = probe(asked, launcher, folder)
        said = "study {name}: {model}, {trials} trials, objective {objective}"
        facts_asked = {"model": asked.model, "trials": asked.trials, "objective": asked.objective}
        note(say(said, name=name, **facts_asked))
        if asked.pairs:
            note(say("then the best few are confirmed by fresh runs (--confirm off: not)"))
        why = facts["backend_reason"]
        note(say("backend: {backend}", backend=facts["backend"]) + (f" ({why})" if why else ""))
        _note_device(facts["fingerprint"], note)
        with _owned(store, existing, asked, name, space, facts, note) as record:
            frozen = search_space.from_dict(record.space)
            Study(record, asked, frozen, store, launcher.run, observer, stop, folder).run()
    return finish(store, name)


def finish(store: Store, name: str) -> Finished:
    """Mark the study finished and write `results/<study>.yaml`."""
    store.update_study(name, finished_at=datetime.now(timezone.utc))
    found = result(load(store, name))
    path = RESULTS / f"{name}.yaml"
    export.write(export.best_configuration(found), path)
    return Finished(found, path)


def load(store: Store, name: str) -> Summary:
    """A stored study, judged by today's rules. Raises StudyConflictError."""
    record = store.study(name)
    if record is None:
        known = ", ".join(study.name for study in store.studies()) or "none"
        raise StudyConflictError(f"there is no study {name!r} in {store.url}; studies: {known}")
    return summarize(record, store.runs(name))


def interpreter(python: str) -> str:
    """The worker's interpreter as an absolute path. Raises UnfitEnvironmentError."""
    found = shutil.which(python or sys.executable)
    if found is None:
        raise UnfitEnvironmentError(f"--python {python}: there is no such interpreter")
    return os.path.abspath(found)


def probe(asked: Setup, launcher: Launcher, folder: Path) -> tuple[SearchSpace, dict[str, Any]]:
    """Learn what the environment can do; the space narrowed to it, and the facts."""
    loaded = _space_file(asked, asked.backend if asked.backend != "auto" else "cpu")
    run = launcher.run(_probe_spec(asked, folder, availability.request(loaded)))
    _require_probe(run)
    facts = dict(run.result.facts)
    backend = facts["backend"]
    if asked.backend == "auto" and backend != loaded.space.backend:
        loaded = _space_file(asked, backend)
        run = launcher.run(_probe_spec(asked, folder, availability.request(loaded)))
        _require_probe(run)
        facts = dict(run.result.facts)
    if loaded.space.backend != backend:
        raise UsageError(
            f"search space {loaded.space.name} is for backend {loaded.space.backend}, not {backend}"
        )
    fingerprint = run.result.fingerprint
    space = availability.narrowed(loaded, facts, fingerprint, asked.allow_lossy)
    if BATCH_SIZE not in asked.pins:
        space = search_space.with_default_batch(space, facts["batch_size"])
    for knob, value in asked.pins.items():
        space = search_space.pin(space, knob, value)
    return space.check(), {**facts, "fingerprint": fingerprint}


def _space_file(asked: Setup, backend: str) -> LoadedFile:
    return search_space_file.load(search_space_file.find(asked.space or backend))


def _probe_spec(asked: Setup, folder: Path, request: ProbeRequest) -> TrialSpec:
    return TrialSpec(
        study="",
        trial=-1,
        role=Role.PROBE,
        backend=asked.backend,
        model=setup.model_spec(asked),
        device=asked.device,
        seed=asked.seed,
        deadline_s=asked.timeout_s or BASELINE_DEADLINE_S,
        cpus=list(asked.cpus),
        memory_limit_bytes=asked.memory_limit_bytes,
        weights_path=str(folder / "weights.pt"),
        probe=request,
    )


def _require_probe(run: Run) -> None:
    result = run.result
    if result.outcome == Outcome.OK:
        return
    if result.outcome == Outcome.ENVIRONMENT_ERROR:
        raise UnfitEnvironmentError(result.message)
    if result.outcome == Outcome.UNSUPPORTED:
        raise UsageError(result.message)
    said = without_traces(run.log_tail).splitlines()[-1:]
    raise BaselineError(
        f"the model does not load: {result.outcome.value}: {result.message}"
        + "".join(f"; it said: {line}" for line in said if line not in result.message)
    )


def _compile_cache(folder: Path) -> dict[str, str]:
    """Inductor's cache lies with the study and goes with it, unless the user has chosen a place."""
    if COMPILE_CACHE in os.environ:
        return {}
    return {COMPILE_CACHE: str(folder / "inductor")}


@contextlib.contextmanager
def _owned(
    store: Store,
    existing: StudyRecord | None,
    asked: Setup,
    name: str,
    space: SearchSpace,
    facts: dict[str, Any],
    note: Callable[[str], None],
) -> Iterator[StudyRecord]:
    """The study's record, created or taken over; this process owns it until the block ends."""
    me, stored = owner.this_process(), setup.to_dict(asked)
    if existing is None:
        now = datetime.now(timezone.utc)
        frozen = search_space.to_dict(space)
        record = StudyRecord(name, now, None, stored, frozen, facts, me)
        store.create_study(record)
    else:
        changed = search_space.difference(existing.space, search_space.to_dict(space))
        if changed:
            raise StudyConflictError(
                f"study {name!r} was begun with another search space: {changed}; finish it in the "
                "environment that it was begun in, or start another study"
            )
        _warn_of_changes(existing.facts["fingerprint"], facts["fingerprint"], note)
        if not store.claim(name, existing.owner, me):
            raise StudyConflictError(f"study {name!r} was just taken by another process")
        store.update_study(name, setup=stored)
        record = replace(existing, setup=stored, owner=me)
    for line in space.left_out:
        note(line)
    _note_size(space, note)
    try:
        yield record
    finally:
        store.update_study(name, owner=None)


def _warn_of_changes(old: dict[str, Any], new: dict[str, Any], note: Callable[[str], None]) -> None:
    for key in old:
        if key not in ("usable_cpus", "executable") and old[key] != new.get(key):
            said = "warning: {key} was {old!r} when the study began, is {new!r} now"
            note(say(said, key=key, old=old[key], new=new.get(key)))


def _note_device(fingerprint: dict[str, Any], note: Callable[[str], None]) -> None:
    if "soc" not in fingerprint:
        return
    said = "device: {soc}, CANN {cann}, driver {driver}, torch_npu {torch_npu}"
    unknown = {name: fingerprint[name] or "?" for name in ("soc", "cann", "driver", "torch_npu")}
    note(say(said, **unknown))
    if fingerprint["emulated_cann"]:
        note(say("emulated CANN: no figure below is a device's"))


def _note_size(space: SearchSpace, note: Callable[[str], None]) -> None:
    searched = {k.name: len(k.searched) for k in space.knobs if k.name not in (WARMUP, BATCH_SIZE)}
    sizes = ", ".join(f"{name} {count}" for name, count in searched.items())
    note(say("search space, values of each knob: {sizes}", sizes=sizes))


def runs_of(store: Store, name: str, trial: int) -> list[RecordedRun]:
    """The runs of one trial. Raises StudyConflictError when there are none."""
    runs = store.runs(name)
    found = [recorded for recorded in runs if recorded.trial == trial]
    if not found:
        known = sorted({recorded.trial for recorded in runs})
        raise StudyConflictError(
            f"study {name!r} has no recorded trial {trial}; it has {_ranges(known)}"
        )
    return found


@contextlib.contextmanager
def prepared(
    record: StudyRecord, recorded: RecordedRun, python: str = ""
) -> Iterator[tuple[Launcher, TrialSpec]]:
    """A recorded run made ready to be repeated outside the record, with another `python` if asked.

    The shared weights are made anew, in the launcher's folder, which is removed at the end.
    """
    asked = setup.from_dict(record.setup)
    with tempfile.TemporaryDirectory(prefix="npu-tune-") as made:
        folder = Path(made)
        launcher = Launcher(interpreter(python or asked.python), folder, _compile_cache(folder))
        _require_probe(launcher.run(_probe_spec(asked, folder, ProbeRequest())))
        spec = recorded.run.spec
        weights, reference = str(folder / "weights.pt"), str(folder / "reference.pt")
        yield launcher, replace(spec, weights_path=weights, reference_path=reference)


def rerun(store: Store, name: str, trial: int, echo: Callable[[str], None]) -> int:
    """Repeat a trial's last run with its log on the terminal; the worker's exit code.

    The reference is made anew, too.
    """
    load(store, name)
    recorded = runs_of(store, name, trial)[-1]
    record = store.study(name)
    assert record is not None
    with prepared(record, recorded) as (launcher, spec):
        folder = launcher.folder
        if spec.role != Role.BASELINE:
            space = search_space.from_dict(record.space)
            knobs = space.settings(space.baseline(spec.batch_size))
            launcher.run(replace(spec, role=Role.BASELINE, knobs=knobs))
        protocol.write(spec, str(folder / protocol.SPEC_FILE))
        command = launcher.command(spec, folder)
        echo(shlex.join(command))
        code = launcher.foreground(command, spec.deadline_s)
        with contextlib.suppress(OSError, ValueError):
            result = protocol.read(TrialResult, str(folder / protocol.RESULT_FILE))
            echo(f"outcome: {result.outcome.value} {result.message}".strip())
        return code


def _ranges(numbers: list[int]) -> str:
    return "none" if not numbers else f"{len(numbers)} between {numbers[0]} and {numbers[-1]}"
