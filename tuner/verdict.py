"""What may be claimed: from the hold-out's pairs and from nothing else."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .confirm import BLOCKS, PRACTICAL_EFFECT, baseline, finalists, runs_of, winner
from .errors import StudyConflictError
from .language import say
from .search_space import Configuration
from .setup import MIN_PAIRS
from .stats import median, order_statistic_interval, smallest_shown
from .store import RecordedRun
from .summary import Measured, Summary, grouped
from .worker.protocol import Outcome, Role

Verdict = Literal["faster", "slower", "same", "unclear", "not confirmed"]
Pair = tuple[RecordedRun, RecordedRun]


@dataclass(frozen=True)
class Interval:
    """Of the median speed-up over pairs. smallest_effect: the least that such pairs can show."""

    low: float
    high: float
    coverage: float
    smallest_effect: float


@dataclass(frozen=True)
class Judgement:
    """The best configuration against the baseline's settings at the same batch size.

    Both with the hold-out's runs, and an interval, where there are enough pairs; with the search's
    runs, no interval and a reason otherwise. speedup: how many times better.
    """

    verdict: Verdict
    reason: str
    best: Measured
    baseline: Measured
    speedup: float
    pairs: int
    interval: Interval | None


def judge(summary: Summary) -> Judgement:
    """The verdict. Raises StudyConflictError when nothing has been measured yet."""
    base = baseline(summary)
    hold_out = [r for r in summary.confirmation_runs if r.run.spec.role == Role.HOLD_OUT]
    tried = [summary.identity(r.configuration) for r in hold_out]
    won = next((one for one in tried if one != base), None)
    if won is None:
        return _of_search(summary)
    bad = next((r.run.result for r in hold_out if _failed(summary, r, won)), None)
    if bad is not None:
        reason = say("the winner failed when measured again: {outcome}", outcome=bad.outcome.value)
        return _of_search(summary, "unclear", reason)
    pairs = _pairs(summary, won, base)
    if len(pairs) < MIN_PAIRS:
        said = "{count} pairs of fresh runs are there, {needed} are needed"
        reason = say(said, count=len(pairs), needed=MIN_PAIRS)
        return _of_search(summary, reason=reason)
    logs = [_log_speedup(summary, pair) for pair in pairs]
    interval = interval_of(logs)
    return Judgement(
        verdict=verdict(interval.low, interval.high),
        reason="",
        best=grouped(won, [mine for mine, _ in pairs], summary.objective),
        baseline=grouped(base, [theirs for _, theirs in pairs], summary.objective),
        speedup=math.exp(median(logs)),
        pairs=len(pairs),
        interval=interval,
    )


def interval_of(logs: Sequence[float]) -> Interval:
    """Of the median of log speed-ups, one for each pair."""
    low, high, coverage = order_statistic_interval(logs)
    smallest = smallest_shown(statistics.stdev(logs), len(logs), math.log1p(PRACTICAL_EFFECT))
    return Interval(
        low=round(math.exp(low), 4),
        high=round(math.exp(high), 4),
        coverage=round(coverage, 4),
        smallest_effect=round(math.exp(smallest), 4),
    )


def against_itself(values: Sequence[float]) -> tuple[Verdict, Interval] | None:
    """The A/A check: what the verdict would be on runs of one configuration, taken as pairs.

    values: of the objective, one for each run, in the order of the runs. None for too few pairs.
    """
    pairs = list(zip(values[::2], values[1::2], strict=False))
    if len(pairs) < MIN_PAIRS:
        return None
    interval = interval_of([math.log(one / other) for one, other in pairs])
    return verdict(interval.low, interval.high), interval


def verdict(low: float, high: float) -> Verdict:
    """faster and slower need the whole interval beyond what matters, same needs it within."""
    if low > 1 + PRACTICAL_EFFECT:
        return "faster"
    if high < 1 / (1 + PRACTICAL_EFFECT):
        return "slower"
    if low >= 1 / (1 + PRACTICAL_EFFECT) and high <= 1 + PRACTICAL_EFFECT:
        return "same"
    return "unclear"


def _of_search(summary: Summary, ruling: Verdict = "not confirmed", reason: str = "") -> Judgement:
    """What the search's own runs say: one lucky run is enough to be the best here."""
    best = summary.best
    base = summary.baseline_at(best.batch_size) if best else None
    if best is None or base is None or base.value is None:
        raise StudyConflictError(
            f"study {summary.study.name!r} has no good run of the baseline yet: continue it with "
            f"npu-tune --resume --study {summary.study.name}"
        )
    if not finalists(summary):
        reason = reason or say("nothing but the baseline ran well")
    elif _all_failed(summary):
        ruling, reason = "unclear", say("every finalist failed when measured again")
    return Judgement(
        verdict=ruling,
        reason=reason or say("no fresh runs were made"),
        best=best,
        baseline=base,
        speedup=summary.speedup(best) or 1.0,
        pairs=0,
        interval=None,
    )


def _all_failed(summary: Summary) -> bool:
    measured = [runs_of(summary, one, Role.CONFIRM, 0) for one in finalists(summary)]
    last = runs_of(summary, baseline(summary), Role.CONFIRM, BLOCKS - 1)
    return all(measured) and bool(last) and winner(summary) is None


def _failed(summary: Summary, recorded: RecordedRun, won: Configuration) -> bool:
    outcome = recorded.run.result.outcome
    if outcome in (Outcome.OK, Outcome.ENVIRONMENT_ERROR):
        return False
    return summary.identity(recorded.configuration) == won


def _pairs(summary: Summary, won: Configuration, base: Configuration) -> list[Pair]:
    """(winner's run, baseline's run) of each pair of which both ran well."""
    pairs = []
    for number in sorted({r.run.spec.block for r in summary.confirmation_runs}):
        sides = [runs_of(summary, one, Role.HOLD_OUT, number) for one in (won, base)]
        good = [[r for r in runs if r.run.result.measurement is not None] for runs in sides]
        if all(good):
            pairs.append((good[0][0], good[1][0]))
    return pairs


def _log_speedup(summary: Summary, pair: Pair) -> float:
    mine, theirs = (
        summary.objective.log_cost(summary.objective.of(r.run.result.measurement))
        for r in pair
        if r.run.result.measurement is not None
    )
    return theirs - mine
