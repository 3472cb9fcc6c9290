"""Two environments against each other, now and in turns: fresh pairs that share their moment."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import Interrupted, UnfitEnvironmentError, UsageError
from ..evidence.environment import upgrade
from ..evidence.intervals import comparison_of
from ..evidence.pairs import Pair, log_ratio
from ..evidence.stats import median
from ..evidence.summary import Summary
from ..policy import MAX_PAIRS, MIN_PAIRS
from ..runs import lease
from ..runs.launcher import Launcher
from ..runs.records import RecordedRun
from ..runs.store import MemoryStore
from ..space.model import Configuration
from ..study.heats import Entry
from ..study.repeat import ready, run_folder
from ..study.runner import Caller, Runner
from ..study.together import measure_together
from ..worker.protocol import Role
from .compare import Change, best


@dataclass(frozen=True)
class Remeasured:
    """The second environment against the first: as they are, and each at its own best."""

    baseline: Change
    winner: Change | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def remeasure(first: Summary, second: Summary, pairs: int, caller: Caller) -> Remeasured:
    """So many pairs of baselines and, where either has a winner, of winners.

    Interrupted after at least 6 of them, it answers with those. Raises UsageError for fewer pairs
    or studies of different objectives or backends, UnfitEnvironmentError where an environment does
    not run any more.
    """
    require_comparable(first, second, pairs)
    name, summaries = f"{first.study.name} and {second.study.name}", (first, second)
    with contextlib.ExitStack() as stack:
        hold = stack.enter_context(lease.holding(name, caller.on_wait, caller.stop))
        places = [
            (summary.study, stack.enter_context(run_folder(summary.options.launch_prefix)))
            for summary in summaries
        ]
        runners = [
            _runner(summary, launcher, caller)
            for summary, launcher in zip(summaries, ready(places, hold), strict=True)
        ]
        sides = [_configurations(summary) for summary in summaries]
        if all(base == winner for base, winner in sides):
            sides = [side[:1] for side in sides]  # nobody's best is anything but the baseline
        rows = _rows(runners, sides, pairs)
    changes = [_change(first, [row[kind] for row in rows]) for kind in range(len(rows[0]))]
    return Remeasured(changes[0], changes[1] if len(changes) > 1 else None)


def require_comparable(first: Summary, second: Summary, pairs: int) -> None:
    """Raises UsageError for too few pairs, or studies that cannot be held against each other."""
    if not MIN_PAIRS <= pairs <= MAX_PAIRS:
        raise UsageError(f"--confirm {pairs}: {MIN_PAIRS} to {MAX_PAIRS} pairs make an interval")
    if first.objective != second.objective or first.space.backend != second.space.backend:
        raise UsageError("--remeasure: the studies differ in objective or backend")
    batches = [_batch_size(summary) for summary in (first, second)]
    if batches[0] != batches[1]:
        raise UsageError(
            f"--remeasure: the bests are at batch sizes {batches[0]} and {batches[1]}, which are "
            "not compared: tune both with the same --set batch_size=N"
        )


def _runner(summary: Summary, launcher: Launcher, caller: Caller) -> Runner:
    """Makes runs in memory as the stored study made them, with its reference made anew."""
    setup, store = summary.options, MemoryStore()
    runner = Runner(
        summary.study, setup, summary.space, store, launcher.run, caller.observer, caller.stop,
        launcher.folder, launcher,
    )  # fmt: skip
    base = _configurations(summary)[0]
    recorded = runner.run_once(base, runner.trial_spec(0, base, Role.BASELINE))
    _require_ok(runner, recorded)
    _require_unchanged(summary, recorded.run.result.fingerprint)
    return runner


def _require_unchanged(summary: Summary, now: dict[str, Any]) -> None:
    """An environment that was upgraded in place is not there any more to be measured."""
    changed = upgrade(summary.study.facts.fingerprint, now)
    if changed:
        raise UnfitEnvironmentError(
            f"study {summary.study.name!r} was measured with {changed.name} "
            f"{changed.before or 'none'}, its environment has {changed.after or 'none'} now: "
            "compare without --remeasure"
        )


def _configurations(summary: Summary) -> tuple[Configuration, ...]:
    """The baseline at the batch size of the best, and the best."""
    return summary.space.baseline(_batch_size(summary)), best(summary)


def _batch_size(summary: Summary) -> int | None:
    """The batch size that the study's verdict is about."""
    return summary.best.batch_size if summary.best else summary.space.default_batch()


def _rows(
    runners: Sequence[Runner], sides: Sequence[tuple[Configuration, ...]], pairs: int
) -> list[list[Pair]]:
    """For each number its pairs: of baselines, then of winners; in each the runs of both sides."""
    rows: list[list[Pair]] = []
    kinds = len(sides[0])
    with contextlib.suppress(Interrupted):
        for number in range(pairs):
            row = [_pair(runners, sides, number, kind, pairs) for kind in range(kinds)]
            rows.append(row)
    if len(rows) < MIN_PAIRS:
        raise Interrupted(f"stopped after {len(rows)} pairs; {MIN_PAIRS} make an interval")
    return rows


def _pair(
    runners: Sequence[Runner],
    sides: Sequence[tuple[Configuration, ...]],
    number: int,
    kind: int,
    pairs: int,
) -> Pair:
    """Both sides' runs of that kind, the first side's first in every other number."""
    kinds, order = len(sides[0]), (0, 1) if number % 2 == 0 else (1, 0)
    entries = [
        Entry(runners[side], kind, sides[side][kind], Role.HOLD_OUT, number) for side in order
    ]
    records = measure_together(entries, 2 * (kinds * number + kind), 2 * kinds * pairs)
    for entry, recorded in zip(entries, records, strict=True):
        _require_ok(entry.runner, recorded)
    return records[order[0]], records[order[1]]


def _require_ok(runner: Runner, recorded: RecordedRun) -> None:
    if not recorded.ok:
        raise UnfitEnvironmentError(
            f"study {runner.name!r} does not run any more: {recorded.outcome.value}: "
            f"{recorded.run.result.message}; compare without --remeasure"
        )


def _change(summary: Summary, pairs: Sequence[Pair]) -> Change:
    of = summary.objective.of
    values = [[of(r.measurement) for r in pair if r.measurement is not None] for pair in pairs]
    comparison = comparison_of([log_ratio(summary, *pair) for pair in pairs])
    assert comparison is not None  # MIN_PAIRS are enough
    return Change(
        comparison=comparison,
        values=(round(median([v[0] for v in values]), 4), round(median([v[1] for v in values]), 4)),
        batch_size=_batch_size(summary),
    )
