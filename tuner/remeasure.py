"""Two environments against each other, now and in turns: fresh pairs that share their moment."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from . import lease
from .compare import Change, best
from .errors import Interrupted, StudyConflictError, UnfitEnvironmentError, UsageError
from .holdout import interval_of, verdict
from .launcher import Launcher
from .noise import from_outside, usual
from .repeat import in_folder, ready, run_folder
from .search_space import Configuration
from .setup import MIN_PAIRS
from .stats import median
from .store import RecordedRun
from .study import Observer
from .summary import Summary
from .worker.protocol import Outcome, Role, TrialSpec


@dataclass(frozen=True)
class Remeasured:
    """The second environment against the first: as they are, and each at its own best."""

    baseline: Change
    winner: Change | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class _Place:
    """One environment made ready: how its runs are started, and what is asked of them."""

    summary: Summary
    launcher: Launcher
    baseline: TrialSpec
    winner: TrialSpec
    tried: tuple[Configuration, Configuration]


def remeasure(
    first: Summary,
    second: Summary,
    pairs: int,
    observer: Observer,
    stop: Callable[[], bool],
    on_wait: Callable[[str], None] | None,
) -> Remeasured:
    """So many pairs of baselines and, where either has a winner, of winners.

    Interrupted after at least 6 of them, it answers with those. Raises UsageError for fewer pairs
    or studies of different objectives or backends, UnfitEnvironmentError where an environment does
    not run any more.
    """
    if pairs < MIN_PAIRS:
        raise UsageError(f"--pairs {pairs}: at least {MIN_PAIRS} make an interval")
    if first.objective != second.objective or first.space.backend != second.space.backend:
        raise UsageError("--remeasure: the studies differ in objective or backend")
    batches = [_batch_size(one) for one in (first, second)]
    if batches[0] != batches[1]:
        raise UsageError(
            f"--remeasure: the bests are at batch sizes {batches[0]} and {batches[1]}, which are "
            "not compared: tune both with the same --set batch_size=N"
        )
    devices = {
        lease.device_name(first.space.backend, one.study.setup["device"], os.environ)
        for one in (first, second)
    }
    name = f"{first.study.name} and {second.study.name}"
    with contextlib.ExitStack() as stack:
        locks = [stack.enter_context(lease.held(d, name, on_wait, stop)) for d in sorted(devices)]
        folders = [
            stack.enter_context(run_folder(one.study.setup.get("launch_prefix", "")))
            for one in (first, second)
        ]
        places = [
            _place(one, ready(one.study, folder, locks[0]))
            for one, folder in zip((first, second), folders, strict=True)
        ]
        made = _pairs(places, pairs, observer, stop)
    found = [_change(first, [pair[kind] for pair in made]) for kind in range(len(made[0]))]
    return Remeasured(found[0], found[1] if len(found) > 1 else None)


def _place(summary: Summary, launcher: Launcher) -> _Place:
    """The specs of baseline and winner, and the reference output made anew."""
    won, base = best(summary), summary.space.baseline(_batch_size(summary))
    as_it_is, at_best = (
        in_folder(_recorded(summary, one).run.spec, launcher.folder) for one in (base, won)
    )
    made = launcher.run(replace(as_it_is, role=Role.BASELINE))
    if made.result.outcome != Outcome.OK:
        raise UnfitEnvironmentError(
            f"study {summary.study.name!r} does not run any more: {made.result.outcome.value}: "
            f"{made.result.message}; compare without --remeasure"
        )
    return _Place(summary, launcher, as_it_is, at_best, (base, won))


def _batch_size(summary: Summary) -> int | None:
    """The batch size that the study's verdict is about."""
    return summary.best.batch_size if summary.best else summary.space.default_batch()


def _recorded(summary: Summary, one: Configuration) -> RecordedRun:
    identity = summary.identity(one)
    found = [r for m in summary.measured if m.configuration == identity for r in m.runs]
    again = [r for r in summary.confirmation_runs if summary.identity(r.configuration) == identity]
    if not found and not again:
        raise StudyConflictError(f"study {summary.study.name!r} has no run of {one}")
    return (again or found)[0]  # a search run has the warm-up that was sampled for it


def _pairs(
    places: list[_Place], pairs: int, observer: Observer, stop: Callable[[], bool]
) -> list[list[tuple[RecordedRun, RecordedRun]]]:
    """For each pair its kinds: baselines, then winners; for each kind the runs of both places."""
    anything_won = any(place.baseline.knobs != place.winner.knobs for place in places)
    kinds, runs = (0, 1) if anything_won else (0,), list[RecordedRun]()
    made: list[list[tuple[RecordedRun, RecordedRun]]] = []
    total = 2 * len(kinds) * pairs
    for number in range(pairs):
        if stop():
            break
        row = []
        for kind in kinds:
            done: dict[int, RecordedRun] = {}
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                place = places[side]
                observer.run_started(len(runs), total, Role.HOLD_OUT, place.tried[kind])
                done[side] = _run(place, kind, number, runs)
                runs.append(done[side])
                observer.run_ended(done[side])
            row.append((done[0], done[1]))
        made.append(row)
    if len(made) < MIN_PAIRS:
        raise Interrupted(f"stopped after {len(made)} pairs; {MIN_PAIRS} make an interval")
    return made


def _run(place: _Place, kind: int, number: int, runs: list[RecordedRun]) -> RecordedRun:
    """One run; once more where something disturbed it."""
    spec = replace((place.baseline, place.winner)[kind], role=Role.HOLD_OUT, block=number)
    for _ in range(2):
        recorded = RecordedRun(spec.trial, place.tried[kind], place.launcher.run(spec))
        result = recorded.run.result
        if result.outcome != Outcome.OK:
            raise UnfitEnvironmentError(
                f"study {place.summary.study.name!r}: a run ended as {result.outcome.value}: "
                f"{result.message}; compare without --remeasure"
            )
        if not from_outside(result, usual([*runs, recorded])):
            break
    return recorded


def _change(summary: Summary, pairs: list[tuple[RecordedRun, RecordedRun]]) -> Change:
    of, log_cost = summary.objective.of, summary.objective.log_cost
    values = [
        [of(m) for run in pair if (m := run.run.result.measurement) is not None] for pair in pairs
    ]
    logs = [log_cost(before) - log_cost(after) for before, after in values]
    interval = interval_of(logs)
    assert interval is not None  # MIN_PAIRS are enough
    return Change(
        speedup=round(math.exp(median(logs)), 4),
        interval=interval,
        verdict=verdict(interval.low, interval.high),
        values=(round(median([v[0] for v in values]), 4), round(median([v[1] for v in values]), 4)),
        runs=(len(pairs), len(pairs)),
        paired=True,
    )
