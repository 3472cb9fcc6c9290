"""What may be claimed: from the hold-out's pairs and from nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..errors import StudyConflictError
from ..language import Message
from ..policy import ALL_ERRORS, MIN_PAIRS
from ..text import resume_command
from ..worker.protocol import Outcome, Role
from .finalists import BLOCKS, finalists, winner
from .intervals import Comparison, Look, Verdict, comparison_of
from .measured import Measured, grouped
from .pairs import Pair, baseline, contender, log_speedups, pairs_of
from .summary import Summary


@dataclass(frozen=True)
class Judgement:
    """The best configuration against the baseline's settings at the same batch size.

    Both with the hold-out's runs, and compared in pairs, where there are enough of them; with the
    search's runs, no interval and a reason otherwise.
    """

    comparison: Comparison
    reason: Message | None
    best: Measured
    baseline: Measured

    @property
    def verdict(self) -> Verdict:
        """The verdict of the comparison."""
        return self.comparison.verdict


def judge(summary: Summary) -> Judgement:
    """The verdict. Raises StudyConflictError when nothing has been measured yet."""
    best = contender(summary)
    if best is None:
        return _of_search(summary)
    failure = next((r for r in summary.fresh_runs(best, Role.HOLD_OUT) if not r.ok), None)
    if failure is not None:
        outcome = {"outcome": failure.outcome.value}
        reason = Message("the winner failed when measured again: {outcome}", outcome)
        return _of_search(summary, "unclear", reason)
    pairs = pairs_of(summary, best)
    look = _last_look(summary, len(pairs))
    if look is None:
        needed = max([MIN_PAIRS, *(look.pairs for look in summary.looks[:1])])
        reason = Message(
            "{count} pairs of fresh runs are there, {needed} are needed",
            {"count": len(pairs), "needed": needed},
        )
        return _of_search(summary, reason=reason)
    pairs = pairs[: look.pairs]
    return Judgement(
        comparison=_comparison(summary, pairs, look),
        reason=None,
        best=grouped(best, [mine for mine, _ in pairs], summary.objective),
        baseline=grouped(baseline(summary), [theirs for _, theirs in pairs], summary.objective),
    )


def against_itself(values: Sequence[float]) -> Comparison | None:
    """The A/A check: runs of one configuration, taken as pairs. None for too few of them.

    values: of the objective, one for each run, in the order of the runs.
    """
    pairs = zip(values[::2], values[1::2], strict=False)
    return comparison_of([math.log(first / second) for first, second in pairs])


def _last_look(summary: Summary, pairs: int) -> Look | None:
    """The last look that was taken; None before the first. Between looks nothing is judged.

    Pairs of a study whose plan is not known any more, or was called off, are one look.
    """
    looks = summary.looks or (Look(max(pairs, MIN_PAIRS), ALL_ERRORS),)
    return next((look for look in reversed(looks) if look.pairs <= pairs), None)


def _comparison(summary: Summary, pairs: Sequence[Pair], look: Look) -> Comparison:
    """By that look; what earlier looks, of this plan or another, may err is taken off as well."""
    comparison = comparison_of(log_speedups(summary, pairs), look.alpha)
    assert comparison is not None  # a look has enough pairs for its error
    assert comparison.interval is not None
    spent = sum(earlier.error for earlier in summary.looks if earlier.pairs < look.pairs)
    spent += summary.options.spent
    coverage = round(comparison.interval.coverage - spent, 4)
    return replace(comparison, interval=replace(comparison.interval, coverage=coverage))


def _of_search(
    summary: Summary, verdict: Verdict = "not confirmed", reason: Message | None = None
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
        reason = reason or _why_alone(summary)
    elif _all_failed(summary):
        verdict, reason = "unclear", Message("every finalist failed when measured again")
    runs = len(best.counted), len(base.counted)
    return Judgement(
        comparison=Comparison(verdict, summary.speedup(best) or 1.0, None, runs, paired=False),
        reason=reason or Message("no fresh runs were made"),
        best=best,
        baseline=base,
    )


def _why_alone(summary: Summary) -> Message:
    """Why there is nothing to hold against the baseline."""
    others = [m for m in summary.measured if not summary.space.is_baseline(m.configuration)]
    if not others and summary.trials_done <= 1:
        return Message("nothing but the baseline was tried")
    if not others:
        return Message("nothing that was tried differs from the baseline")
    well = [m for m in others if m.outcome == Outcome.OK]
    if not well:
        return Message("nothing but the baseline ran well")
    if all(m.batch_size != summary.best.batch_size for m in well if summary.best):
        return Message("nothing but the baseline ran well at this batch size")
    return Message("nothing but the baseline keeps the limit of latency")


def _all_failed(summary: Summary) -> bool:
    first = [summary.fresh_runs(c, Role.CONFIRM, 0) for c in finalists(summary)]
    last = summary.fresh_runs(baseline(summary), Role.CONFIRM, BLOCKS - 1)
    return all(first) and bool(last) and winner(summary) is None
