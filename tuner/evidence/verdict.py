"""What may be claimed: from the hold-out's pairs and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import StudyConflictError
from ..language import Message
from ..policy import ALL_ERRORS, MIN_PAIRS
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..text import resume_command
from ..worker.protocol import Outcome, Role
from .finalists import BLOCKS, finalists, winner
from .intervals import Interval, Look, Verdict, interval_of, verdict
from .pairs import baseline, contender, log_speedups, pairs_of, planned, runs_of
from .stats import median
from .summary import Measured, Summary, grouped


@dataclass(frozen=True)
class Judgement:
    """The best configuration against the baseline's settings at the same batch size.

    Both with the hold-out's runs, and an interval, where there are enough pairs; with the search's
    runs, no interval and a reason otherwise. speedup: how many times better.
    """

    verdict: Verdict
    reason: Message | None
    best: Measured
    baseline: Measured
    speedup: float
    pairs: int
    interval: Interval | None


def judge(summary: Summary) -> Judgement:
    """The verdict. Raises StudyConflictError when nothing has been measured yet."""
    base = baseline(summary)
    hold_out = [r for r in summary.confirmation_runs if r.run.spec.role == Role.HOLD_OUT]
    won = contender(summary)
    if won is None:
        return _of_search(summary)
    bad = next((r.run.result for r in hold_out if _failed(summary, r, won)), None)
    if bad is not None:
        said = {"outcome": bad.outcome.value}
        reason = Message("the winner failed when measured again: {outcome}", said)
        return _of_search(summary, "unclear", reason)
    pairs = pairs_of(summary, won)
    seen = _seen(summary, len(pairs))
    if seen is None:
        needed = max([MIN_PAIRS, *(look.pairs for look in planned(summary)[:1])])
        reason = Message(
            "{count} pairs of fresh runs are there, {needed} are needed",
            {"count": len(pairs), "needed": needed},
        )
        return _of_search(summary, reason=reason)
    pairs = pairs[: seen.pairs]
    logs = log_speedups(summary, pairs)
    interval = _interval(summary, logs, seen)
    return Judgement(
        verdict=verdict(interval.low, interval.high),
        reason=None,
        best=grouped(won, [mine for mine, _ in pairs], summary.objective),
        baseline=grouped(base, [theirs for _, theirs in pairs], summary.objective),
        speedup=math.exp(median(logs)),
        pairs=len(pairs),
        interval=interval,
    )


def against_itself(values: Sequence[float]) -> tuple[Verdict, Interval] | None:
    """The A/A check: what the verdict would be on runs of one configuration, taken as pairs.

    values: of the objective, one for each run, in the order of the runs. None for too few pairs.
    """
    pairs = list(zip(values[::2], values[1::2], strict=False))
    interval = interval_of([math.log(one / other) for one, other in pairs])
    return (verdict(interval.low, interval.high), interval) if interval else None


def _seen(summary: Summary, pairs: int) -> Look | None:
    """The last look that was taken; None before the first. Between looks nothing is judged.

    Pairs of a study whose plan is not known any more, or was called off, are one look.
    """
    looks = planned(summary) or (Look(max(pairs, MIN_PAIRS), ALL_ERRORS),)
    return next((look for look in reversed(looks) if look.pairs <= pairs), None)


def _interval(summary: Summary, logs: Sequence[float], seen: Look) -> Interval:
    """By that look; what earlier looks, of this plan or another, may err is taken off as well."""
    found = interval_of(logs, seen.alpha)
    assert found is not None  # a look has enough pairs for its error
    spent = sum(look.error for look in planned(summary) if look.pairs < seen.pairs)
    spent += summary.study.setup.get("spent", 0.0)
    return replace(found, coverage=round(found.coverage - spent, 4))


def _of_search(
    summary: Summary, ruling: Verdict = "not confirmed", reason: Message | None = None
) -> Judgement:
    """What the search's own runs say: one lucky run is enough to be the best here."""
    best = summary.best
    base = summary.baseline_at(best.batch_size) if best else None
    if best is None or base is None or base.value is None:
        raise StudyConflictError(
            f"study {summary.study.name!r} has no good run of the baseline yet: continue it with "
            f"{resume_command(summary.study.name)}"
        )
    if not finalists(summary):
        reason = reason or Message("nothing but the baseline ran well")
    elif _all_failed(summary):
        ruling, reason = "unclear", Message("every finalist failed when measured again")
    return Judgement(
        verdict=ruling,
        reason=reason or Message("no fresh runs were made"),
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
