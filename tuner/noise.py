"""What made the runs differ although nothing was changed: spread, and disturbances from outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from .stats import relative_spread
from .store import RecordedRun
from .worker.protocol import TrialResult

# Of the host's processors, in use by others while a run was timed. On 2 processors it is 0.08
# cores, above which medians of a run were seen to be off.
DISTURBED_SHARE = 0.04


@dataclass(frozen=True)
class Noise:
    """baseline_spread: standard deviation over mean of the baseline's runs at one batch size.

    disturbed: by what -> of how many of the `runs` that had witnesses; one may have several causes.
    """

    baseline_spread: float | None
    baseline_runs: int
    runs: int
    disturbed: dict[str, int]
    disturbed_runs: int


def noise(baseline: Sequence[float], runs: Sequence[RecordedRun]) -> Noise:
    """Noise of the baseline's values, one for each run, and of what happened beside all runs."""
    watched = [r.run.result for r in runs if "monotonic_s" in r.run.result.witnesses_after]
    found = [disturbances(one) for one in watched]
    spread = relative_spread(baseline)
    return Noise(
        baseline_spread=None if spread is None else round(spread, 4),
        baseline_runs=len(baseline),
        runs=len(found),
        disturbed=dict(Counter(kind for kinds in found for kind in kinds)),
        disturbed_runs=sum(bool(kinds) for kinds in found),
    )


def disturbances(result: TrialResult) -> list[str]:
    """What disturbed a run from outside: processes, steal, throttling; empty where nothing did."""
    before, after = result.witnesses_before, result.witnesses_after
    passed_s = after["monotonic_s"] - before["monotonic_s"]
    limit_s = DISTURBED_SHARE * float(result.fingerprint.get("cpus") or 1) * passed_s
    foreign_s = _grown(before, after, "host_busy_s") - _grown(before, after, "process_cpu_s")
    found = []
    if foreign_s > limit_s:
        found.append("other processes")
    if _grown(before, after, "steal_s") > limit_s:
        found.append("steal")
    if _grown(before, after, "throttle_count") > 0:
        found.append("throttling")
    return found


def _grown(before: Mapping[str, float], after: Mapping[str, float], name: str) -> float:
    return after.get(name, 0.0) - before.get(name, 0.0)
