"""From options to a finished study: probe, freeze the space, create or resume, run, export."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import options
from ..errors import StudyConflictError, UsageError
from ..evidence import pairs
from ..evidence.environment import differences, upgrade
from ..evidence.summary import Summary
from ..language import N_, say
from ..options import RESULTS, Setup
from ..policy import BATCH_SIZE, WARMUP
from ..runs import lease, npu_smi, owner
from ..runs.device import CPU, Device, measured_on
from ..runs.folder import work_folder
from ..runs.records import StudyRecord
from ..runs.store import Store
from ..runs.watch import other_processes, watched
from ..space import model
from ..space.model import SearchSpace
from .loop import Study
from .probe import located, make_launcher, probe
from .progress import left_out
from .runner import Observer, Runner
from .stored import load


def new_name(store: Store, asked: Setup) -> str:
    """`<model>-<n>`: the first that is free."""
    taken = {record.name for record in store.studies()}
    stem = options.model_name(asked.model)
    return next(name for n in range(1, len(taken) + 2) if (name := f"{stem}-{n}") not in taken)


def find_unfinished(store: Store) -> str:
    """The newest study that is not finished. Raises StudyConflictError."""
    records = [r for r in store.studies() if not r.setup.get("only")]  # a check begins anew
    open_names = [record.name for record in records if record.finished_at is None]
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
    on_wait: Callable[[str], None] | None = None,
    results: Path = RESULTS,
) -> Summary:
    """Run a study to its end.

    on_wait: is told when another study holds the device; None: fail instead of waiting.
    results: the folder below which the study's working folder lies.

    Raises a TunerError; Interrupted when `stop` says so. Whatever was recorded stays.
    """
    options.check_name(name)
    existing = store.study(name)
    if resume:
        if existing is None:
            raise StudyConflictError(f"--resume: there is no study {name!r} in {store.url}")
        owner.require_dead(name, existing.owner, take_over)
        asked = resumed(asked, load(store, name))
    else:
        store.require_free(name)
    with work_folder(results, name) as folder, lease.holding(name, on_wait, stop) as hold:
        launcher = make_launcher(asked, folder)
        (lock,) = hold([located(asked, launcher)])  # the probe, too, would disturb who measures
        space, facts = probe(asked, replace(launcher, lease=lock), folder)
        _note_asked(name, asked, note)
        if asked.confirm != options.OFF and asked.only is None:
            note(say("then the best few are confirmed by fresh runs (--confirm off: not)"))
        why = facts["backend_reason"]
        note(say("backend: {backend}", backend=facts["backend"]) + (f" ({why})" if why else ""))
        _note_device(facts["fingerprint"], note)
        elsewhere = bool(launcher.prefix)
        device = measured_on(facts["backend"], facts["fingerprint"], elsewhere)
        (lock,) = hold([device.name])
        with _owned(store, existing, asked, name, space, facts, note) as record:
            _warn_of_others(device, note)
            frozen = model.from_dict(record.space)
            launch = watched(replace(launcher, lease=lock).run, device)
            runner = Runner(record, asked, frozen, store, launch, observer, stop, folder)
            Study(runner, note).run()
    store.update_study(name, finished_at=datetime.now(timezone.utc))
    return load(store, name)


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
    me, stored = owner.this_process(), options.to_dict(asked)
    if existing is None:
        now = datetime.now(timezone.utc)
        frozen = model.to_dict(space)
        record = StudyRecord(name, now, None, stored, frozen, facts, me)
        store.create_study(record)
    else:
        _require_same_environment(existing, facts["fingerprint"], note)
        changed = model.difference(existing.space, model.to_dict(space))
        if changed:
            raise StudyConflictError(
                f"study {name!r} was begun with another search space: {changed}; finish it in the "
                "environment that it was begun in, or start another study"
            )
        if not store.claim(name, existing.owner, me):
            raise StudyConflictError(f"study {name!r} was just taken by another process")
        store.update_study(name, setup=stored, finished_at=None)
        record = replace(existing, setup=stored, owner=me, finished_at=None)
    for line in left_out(space):
        note(line)
    _note_size(space, note)
    try:
        yield record
    finally:
        store.update_study(name, owner=None)


def resumed(asked: Setup, summary: Summary) -> Setup:
    """What is asked of a study that has begun. Raises UsageError for what it cannot do any more."""
    done, before = summary.trials_done, options.from_dict(summary.study.setup)
    name, grows = summary.study.name, asked.budget_s is None and asked.trials > done
    if asked.budget_s is None and asked.trials < done:
        raise UsageError(
            f"--trials {asked.trials}: study {name!r} has {done} trials already; give more, or "
            "leave the option out"
        )
    if asked.budget_s != before.budget_s and not grows and summary.confirmation_runs:
        raise UsageError(
            f"--budget: the search of study {name!r} is over, its confirmation has begun; "
            f"extend it with --trials and more than {done}"
        )
    if grows:
        return replace(asked, spent=0.0)  # it is confirmed anew
    if (asked.confirm, asked.target_effect) != (before.confirm, before.target_effect):
        return replace(asked, spent=pairs.spent(summary))
    return asked


def _require_same_environment(
    existing: StudyRecord, now: dict[str, Any], note: Callable[[str], None]
) -> None:
    """Runs of two environments do not make one ranking; what matters less is named."""
    before = existing.facts["fingerprint"]
    changed = upgrade(before, now)
    if changed:
        raise StudyConflictError(
            f"study {existing.name!r} was begun with {changed.name} {changed.before or 'none'}, "
            f"its environment has {changed.after or 'none'} now: go back to that environment to "
            "resume it, or start another study; whether its result still holds: npu-tune check"
        )
    for one in differences(before, now):
        said = N_("warning: {key} was {old!r} when the study began, is {new!r} now")
        note(say(said, key=one.name, old=one.before, new=one.after))


def _warn_of_others(device: Device, note: Callable[[str], None]) -> None:
    listing = npu_smi.run() if device != CPU else None
    others = None if listing is None else other_processes(listing, device)
    if others:
        said = N_(
            "warning: npu-smi shows other processes on {device}: {others}; a busy one disturbs"
        )
        note(say(said, device=device.name, others=", ".join(map(str, others))))


def _note_asked(name: str, asked: Setup, note: Callable[[str], None]) -> None:
    said = N_("study {name}: {model}, {trials} trials, objective {objective}")
    if asked.budget_s is not None:
        said = N_("study {name}: {model}, about {minutes:g} minutes, objective {objective}")
    minutes = (asked.budget_s or 0.0) / 60
    facts = {"model": asked.model, "trials": asked.trials, "objective": asked.objective}
    note(say(said, name=name, minutes=minutes, **facts))


def _note_device(fingerprint: dict[str, Any], note: Callable[[str], None]) -> None:
    if "soc" not in fingerprint:
        return
    said = N_("device: {soc}, CANN {cann}, driver {driver}, torch_npu {torch_npu}")
    unknown = {name: fingerprint[name] or "?" for name in ("soc", "cann", "driver", "torch_npu")}
    note(say(said, **unknown))
    if fingerprint["emulated_cann"]:
        note(say("emulated CANN: no figure below is a device's"))


def _note_size(space: SearchSpace, note: Callable[[str], None]) -> None:
    searched = {k.name: len(k.searched) for k in space.knobs if k.name not in (WARMUP, BATCH_SIZE)}
    sizes = ", ".join(f"{name} {count}" for name, count in searched.items())
    note(say("search space, values of each knob: {sizes}", sizes=sizes))
