"""Two environments against each other, now and in turns: fresh pairs that share their moment."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from .. import options
from ..errors import Interrupted, UnfitEnvironmentError, UsageError
from ..evidence.environment import upgrade
from ..evidence.intervals import interval_of, verdict
from ..evidence.pairs import Pair
from ..evidence.stats import median
from ..evidence.summary import Summary
from ..policy import MIN_PAIRS
from ..runs import lease
from ..runs.launcher import Launcher
from ..runs.records import RecordedRun
from ..runs.store import MemoryStore
from ..space.model import Configuration
from ..study.repeat import ready, run_folder
from ..study.runner import Observer, Runner
from ..worker.protocol import Outcome, Role
from .compare import Change, best


@dataclass(frozen=True)
class Remeasured:
    """The second environment against the first: as they are, and each at its own best."""

    baseline: Change
    winner: Change | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


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
    require_comparable(first, second, pairs)
    name = f"{first.study.name} and {second.study.name}"
    with contextlib.ExitStack() as stack:
        hold = stack.enter_context(lease.holding(name, on_wait, stop))
        studies = [
            (one.study, stack.enter_context(run_folder(one.study.setup.get("launch_prefix", ""))))
            for one in (first, second)
        ]
        places = [
            _runner(one, launcher, observer, stop)
            for one, launcher in zip((first, second), ready(studies, hold), strict=True)
        ]
        tried = [_tried(one) for one in (first, second)]
        if tried[0][0] == tried[0][1] and tried[1][0] == tried[1][1]:
            tried = [one[:1] for one in tried]  # nobody's best is anything but the baseline
        made = _pairs(places, tried, pairs)
    found = [_change(first, [pair[kind] for pair in made]) for kind in range(len(made[0]))]
    return Remeasured(found[0], found[1] if len(found) > 1 else None)


def require_comparable(first: Summary, second: Summary, pairs: int) -> None:
    """Raises UsageError for too few pairs, or studies that cannot be held against each other."""
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


def _runner(
    summary: Summary, launcher: Launcher, observer: Observer, stop: Callable[[], bool]
) -> Runner:
    """Makes runs in memory as the stored study made them, with its reference made anew."""
    asked = options.from_dict(summary.study.setup)
    runner = Runner(
        summary.study, asked, summary.space, MemoryStore(), launcher.run, observer, stop,
        launcher.folder,
    )  # fmt: skip
    base = _tried(summary)[0]
    made = _require_ok(runner, runner.run_once(base, runner.trial_spec(0, base, Role.BASELINE)))
    _require_unchanged(summary, made.run.result.fingerprint)
    return runner


def _require_unchanged(summary: Summary, now: dict[str, Any]) -> None:
    """An environment that was upgraded in place is not there any more to be measured."""
    changed = upgrade(summary.study.facts["fingerprint"], now)
    if changed:
        raise UnfitEnvironmentError(
            f"study {summary.study.name!r} was measured with {changed.name} "
            f"{changed.before or 'none'}, its environment has {changed.after or 'none'} now: "
            "compare without --remeasure"
        )


def _tried(summary: Summary) -> tuple[Configuration, ...]:
    """The baseline at the batch size of the best, and the best."""
    return summary.space.baseline(_batch_size(summary)), best(summary)


def _batch_size(summary: Summary) -> int | None:
    """The batch size that the study's verdict is about."""
    return summary.best.batch_size if summary.best else summary.space.default_batch()


def _pairs(
    places: Sequence[Runner], tried: Sequence[tuple[Configuration, ...]], pairs: int
) -> list[list[Pair]]:
    """For each pair its kinds: baselines, then winners; for each kind the runs of both places."""
    made: list[list[Pair]] = []
    kinds, total = len(tried[0]), 2 * len(tried[0]) * pairs
    for number in range(pairs):
        if places[0].stop():
            break
        row = []
        for kind in range(kinds):
            runs: dict[int, RecordedRun] = {}
            for side in (0, 1) if number % 2 == 0 else (1, 0):
                runner, one = places[side], tried[side][kind]
                done = 2 * (kinds * number + kind) + len(runs)
                runner.observer.run_started(done, total, Role.HOLD_OUT, one)
                spec = replace(runner.trial_spec(kind, one, Role.HOLD_OUT), block=number)
                runs[side] = _require_ok(runner, runner.run(one, spec))
            row.append((runs[0], runs[1]))
        made.append(row)
    if len(made) < MIN_PAIRS:
        raise Interrupted(f"stopped after {len(made)} pairs; {MIN_PAIRS} make an interval")
    return made


def _require_ok(runner: Runner, recorded: RecordedRun) -> RecordedRun:
    result = recorded.run.result
    if result.outcome != Outcome.OK:
        raise UnfitEnvironmentError(
            f"study {runner.name!r} does not run any more: {result.outcome.value}: "
            f"{result.message}; compare without --remeasure"
        )
    return recorded


def _change(summary: Summary, pairs: Sequence[Pair]) -> Change:
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
        batch_size=_batch_size(summary),
        paired=True,
    )
