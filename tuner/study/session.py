"""From options to a finished study: probe, make it or take it up, run, finish."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import options
from ..errors import StorageLockedError, StudyConflictError, UsageError
from ..evidence import pairs
from ..evidence.conclude import conclude
from ..evidence.environment import differences, upgrade
from ..evidence.summary import Summary
from ..options import RESULTS, Setup
from ..runs import lease, npu_smi, owner, unsaved
from ..runs.device import CPU, Device, measured_on
from ..runs.folder import EXPORTS, put, work_folder
from ..runs.records import StudyFacts, StudyRecord
from ..runs.store import Store
from ..runs.watch import other_processes, watching
from ..space import file, frozen, model
from ..space.model import SearchSpace
from ..text import command, resume_command
from ..worker.protocol import ProbeRequest, TrialSpec
from . import naming, notes
from .loop import Study
from .probe import located, make_launcher, probe, probe_spec
from .runner import Caller, Runner
from .stored import load


def new_name(store: Store, setup: Setup) -> str:
    """`<model>-<n>`: the first that is free."""
    taken = {record.name for record in store.studies()}
    stem = naming.model_name(setup.model)
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


def tune(setup: Setup, store: Store, name: str, caller: Caller, results: Path = RESULTS) -> Summary:
    """Begin a study and run it to its end. results: its working folder lies below.

    Raises a TunerError; Interrupted when the caller wants a stop. Whatever was recorded stays.
    """
    naming.check_name(name)
    store.require_free(name)
    return _run(setup, store, name, caller, None, results)


def resume(
    setup: Setup,
    store: Store,
    name: str,
    caller: Caller,
    take_over: bool = False,
    results: Path = RESULTS,
) -> Summary:
    """Run a study that was begun to its end; the rest as in `tune`.

    take_over: although its owner is on a host that cannot be seen.
    """
    summary = load(store, name)
    owner.require_dead(name, summary.study.owner, take_over)
    taken_up = unsaved.take_up(store, summary.study, unsaved.path_of(results, name))
    if taken_up:
        caller.note(notes.of_unsaved(taken_up))
        summary = load(store, name)
    return _run(resumed(setup, summary), store, name, caller, summary.study, results)


def _run(
    setup: Setup,
    store: Store,
    name: str,
    caller: Caller,
    existing: StudyRecord | None,
    results: Path,
) -> Summary:
    for line in notes.of_study(name, setup):
        caller.note(line)
    with opened(setup, store, name, caller, existing, results) as runner:
        runner.again, runner.beside = str(resume_command(name)), unsaved.path_of(results, name)
        caller.note(notes.of_space(runner.space))
        with store.errors():
            Study(runner, caller.note, probe=beside(runner)).run()
        keep_exported(runner, results)
    store.update_study(name, finished_at=datetime.now(timezone.utc))
    return load(store, name)


def keep_exported(runner: Runner, results: Path) -> None:
    """The file that the best configuration's engine loads, as `<study>-<content>.<format>`."""
    name = conclude(runner.summary()).exported
    if name:
        with contextlib.suppress(OSError):  # the exported module makes it where it is not there
            put(runner.folder / EXPORTS / name, results / f"{runner.name}-{name}")


def beside(runner: Runner) -> TrialSpec | None:
    """What is tried beside a waiting run: only an NPU may take one process alone."""
    if runner.space.backend == "cpu":
        return None
    return probe_spec(replace(runner.setup, backend="npu"), runner.folder, ProbeRequest())


@contextlib.contextmanager
def opened(
    setup: Setup,
    store: Store,
    name: str,
    caller: Caller,
    existing: StudyRecord | None = None,
    results: Path = RESULTS,
) -> Iterator[Runner]:
    """Make a study, or take up an existing one, and hold its device until the block ends.

    It belongs to this process for as long. Raises a TunerError.
    """
    with (
        work_folder(results, name) as folder,
        lease.holding(name, caller.on_wait, caller.stop) as hold,
    ):
        launcher = make_launcher(setup, folder)
        (lock,) = hold([located(setup, launcher)])  # the probe, too, would disturb who measures
        space, facts = probe(setup, replace(launcher, lease=lock), folder)
        device = measured_on(facts.probe.backend, facts.fingerprint, bool(launcher.prefix))
        (lock,) = hold([device.name])
        if existing is None:
            record = _made(store, name, setup, space, facts)
        else:
            record = _taken_up(store, existing, setup, space, facts)
        try:
            for line in _notes(existing, space, facts, device):
                caller.note(line)
            launcher = replace(launcher, lease=lock)
            yield Runner(
                record, setup, model.from_dict(record.space), store, launcher.run,
                caller.observer, caller.stop, folder, launcher, watching(device),
                on_wait=caller.on_wait,
            )  # fmt: skip
        finally:
            with contextlib.suppress(StorageLockedError):  # that this process has died shows it too
                store.update_study(name, owner=None)


def _made(
    store: Store, name: str, setup: Setup, space: SearchSpace, facts: StudyFacts
) -> StudyRecord:
    """A new study's record, the space frozen in it; this process is its owner."""
    now, me = datetime.now(timezone.utc), owner.this_process()
    frozen, stored = model.to_dict(space), options.to_dict(setup)
    record = StudyRecord(name, now, None, stored, frozen, facts, me)
    store.create_study(record)
    return record


def _taken_up(
    store: Store, existing: StudyRecord, setup: Setup, space: SearchSpace, facts: StudyFacts
) -> StudyRecord:
    """An existing study's record, now this process's. Raises StudyConflictError.

    Its environment and its search space must be those that it was begun with.
    """
    name, me, stored = existing.name, owner.this_process(), options.to_dict(setup)
    _require_same_environment(existing, facts.fingerprint)
    shipped = not setup.space or setup.space in file.shipped()
    changed = frozen.difference(existing.space, model.to_dict(space), shipped)
    if changed:
        raise StudyConflictError(
            f"study {name!r} was begun with another search space: {changed}; finish it in the "
            "environment that it was begun in, or start another study"
        )
    if not store.claim(name, existing.owner, me):
        raise StudyConflictError(f"study {name!r} was just taken by another process")
    store.update_study(name, setup=stored, finished_at=None)
    return replace(existing, setup=stored, owner=me, finished_at=None)


def _require_same_environment(existing: StudyRecord, now: dict[str, Any]) -> None:
    """Runs of two environments do not make one ranking."""
    changed = upgrade(existing.facts.fingerprint, now)
    if changed:
        raise StudyConflictError(
            f"study {existing.name!r} was begun with {changed.name} {changed.before or 'none'}, "
            f"its environment has {changed.after or 'none'} now: go back to that environment to "
            "resume it, or start another study; whether its result still holds: "
            f"{command('check', existing.name)}"
        )


def _notes(
    existing: StudyRecord | None, space: SearchSpace, facts: StudyFacts, device: Device
) -> Iterator[str]:
    yield from notes.of_environment(facts)
    yield from notes.of_changes(facts)
    if existing is not None:
        before, now = existing.facts.fingerprint, facts.fingerprint
        yield from notes.of_differences(differences(before, now))
    listing = npu_smi.run() if device != CPU else None
    yield from notes.of_others(device, other_processes(listing, device) if listing else None)
    yield from notes.of_left_out(space)


def resumed(setup: Setup, summary: Summary) -> Setup:
    """What is asked of a study that has begun. Raises UsageError for what it cannot do any more."""
    done, before = summary.trials_done, options.from_dict(summary.study.setup)
    name, grows = summary.study.name, setup.budget_s is None and setup.trials > done
    if setup.budget_s is None and setup.trials < done:
        raise UsageError(
            f"--trials {setup.trials}: study {name!r} has {done} trials already; give more, or "
            "leave the option out"
        )
    if setup.budget_s != before.budget_s and not grows and summary.confirmation_runs:
        raise UsageError(
            f"--budget: the search of study {name!r} is over, its confirmation has begun; "
            f"extend it with --trials and more than {done}"
        )
    if grows:
        return replace(setup, spent=0.0)  # it is confirmed anew
    if (setup.confirm, setup.target_effect) != (before.confirm, before.target_effect):
        return replace(setup, spent=pairs.spent(summary))
    return setup
