"""What made the runs differ although nothing was changed: spread, and disturbances from outside."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..policy import PRACTICAL_EFFECT
from ..runs.records import RecordedRun
from ..worker.protocol import TrialResult
from .floor import Floor
from .stats import median

RUNS_FOR_SPREAD = 3  # of the search's baseline, before anything is planned by their spread
DISTURBED_CORES = 0.08  # of its own in use by others: above it medians of a run were seen to be off
OLD_DISTURBED_SHARE = 0.04  # of the host's processors: all that runs of older studies witnessed
SLOW_LOOP = 1.3  # times the study's median: recorded runs are at most 1.12 or at least 1.4
LOW_FREQUENCY = 0.75  # of the study's median: nvbench's threshold
MANY_SWITCHES = 2.0  # times the study's 90th percentile
RUNS_FOR_TENTH = 10
# A configuration with more threads than processors is switched out by itself, and stopped where a
# quota is used up: shown, but no reason to measure it again.
OWN_DOING = ("involuntary switches", "quota")


@dataclass(frozen=True)
class Noise:
    """baseline_spread: standard deviation over mean of the baseline's runs at one batch size.

    disturbed: by what -> of how many of the `runs` that had witnesses; one may have several causes.

    heat_size: how many runs were alive together, at most; 1: each was alone. heats, turns: how many
    there were, the companion's turns not counted. floor: of a study in turns.
    """

    baseline_spread: float | None
    baseline_runs: int
    runs: int
    disturbed: dict[str, int]
    disturbed_runs: int
    heat_size: int = 1  # files of earlier versions have none of these
    heats: int = 0
    turns: int = 0
    floor: Floor | None = None

    @property
    def in_turns(self) -> bool:
        """Were its runs measured in turns?"""
        return self.heat_size > 1


@dataclass(frozen=True)
class Usual:
    """What is usual for a study's runs; None where they did not witness it.

    loop_ns, khz: medians of the reference loop and of the processor's frequency. Not the highest
    frequency: a processor with few threads at work may exceed its usual one by a third.
    switches_per_s: involuntary, the 90th percentile; not the median, because undisturbed
    configurations differ by a factor of a thousand.
    """

    loop_ns: float | None = None
    khz: float | None = None
    switches_per_s: float | None = None


NOTHING_USUAL = Usual()


def noise(
    baseline: Sequence[float],
    runs: Sequence[RecordedRun],
    heat_size: int = 1,
    floor: Floor | None = None,
) -> Noise:
    """Noise of the baseline's values, one for each run, and of what happened beside all runs."""
    watched = [r.run.result for r in runs if "monotonic_s" in r.run.result.witnesses_after]
    normal = usual(runs)
    causes = [disturbances(result, normal) for result in watched]
    spread = relative_spread(baseline)
    return Noise(
        baseline_spread=None if spread is None else round(spread, 4),
        baseline_runs=len(baseline),
        runs=len(causes),
        disturbed=dict(Counter(kind for kinds in causes for kind in kinds)),
        disturbed_runs=sum(bool(kinds) for kinds in causes),
        heat_size=heat_size,
        heats=len({r.run.spec.heat for r in runs} - {0}),
        turns=sum(len(r.measurement.turns) for r in runs if r.measurement is not None),
        floor=floor,
    )


def relative_spread(values: Sequence[float]) -> float | None:
    """Standard deviation over mean; None for fewer than two values."""
    if len(values) < 2:
        return None
    return statistics.stdev(values) / statistics.fmean(values)


def usual(runs: Sequence[RecordedRun]) -> Usual:
    """What a run of this study is compared with, from all of its runs."""
    results = [r.run.result for r in runs]
    loops = [loop for result in results if (loop := _loop_ns(result)) is not None]
    frequencies = [khz for result in results if (khz := _khz(result)) is not None]
    rates = sorted(rate for result in results if (rate := _switches_per_s(result)) is not None)
    return Usual(
        loop_ns=median(loops) if loops else None,
        khz=median(frequencies) if frequencies else None,
        switches_per_s=rates[9 * len(rates) // 10] if len(rates) >= RUNS_FOR_TENTH else None,
    )


def disturbances(result: TrialResult, usual: Usual = NOTHING_USUAL) -> list[str]:
    """What disturbed a run from outside; empty where nothing did, or it had no witnesses."""
    before, after = result.witnesses_before, result.witnesses_after
    if "monotonic_s" not in after:
        return []
    passed_s = after["monotonic_s"] - before["monotonic_s"]
    busy, steal, cores = "usable_busy_s", "usable_steal_s", DISTURBED_CORES
    if busy not in after:
        busy, steal = "host_busy_s", "steal_s"
        cores = OLD_DISTURBED_SHARE * float(result.fingerprint.get("cpus") or 1)
    own_s = _grown(before, after, "process_cpu_s") + after.get("company_cpu_s", 0.0)
    foreign_s = _grown(before, after, busy) - own_s
    switches = _switches_per_s(result)
    kinds = {
        "other processes": foreign_s > cores * passed_s,
        "steal": _grown(before, after, steal) > cores * passed_s,
        "throttling": _grown(before, after, "throttle_count") > 0,
        "quota": _grown(before, after, "quota_throttled_s") > PRACTICAL_EFFECT * passed_s,
        "slow processor": _beyond(_loop_ns(result), SLOW_LOOP, usual.loop_ns),
        "low frequency": _beyond(usual.khz, 1 / LOW_FREQUENCY, _khz(result)),
        "involuntary switches": _beyond(switches, MANY_SWITCHES, usual.switches_per_s),
        "device shared": before.get("device_processes", 0.0) > 0,
    }
    return [kind for kind, happened in kinds.items() if happened]


def from_outside(result: TrialResult, usual: Usual) -> list[str]:
    """Those disturbances that are no doing of the configuration itself."""
    return [kind for kind in disturbances(result, usual) if kind not in OWN_DOING]


def page_faults_per_call(result: TrialResult) -> float | None:
    """Minor page faults of a timed call; None where they were not counted.

    No disturbance: memory that the allocator gives back to the kernel and faults in again.
    """
    measured, after = result.measurement, result.witnesses_after
    if measured is None or "minor_page_faults" not in after:
        return None
    calls = len(measured.latency_ns) + len(measured.block_ns) * measured.calls_per_block
    return _grown(result.witnesses_before, after, "minor_page_faults") / calls


def _beyond(value: float | None, times: float, other: float | None) -> bool:
    return value is not None and other is not None and value > times * other


def _loop_ns(result: TrialResult) -> float | None:
    """The reference loop, the faster of before and after: slow in both, slow between them."""
    return min(_both(result, "reference_loop_ns"), default=None)


def _khz(result: TrialResult) -> float | None:
    """The higher frequency of before and after."""
    return max(_both(result, "cpu_khz"), default=None)


def _both(result: TrialResult, name: str) -> list[float]:
    """What was read before and after the run, where it could be read."""
    witnesses = (result.witnesses_before, result.witnesses_after)
    return [moment[name] for moment in witnesses if name in moment]


def _switches_per_s(result: TrialResult) -> float | None:
    """Involuntary switches during a run, per second; None where they were not counted."""
    before, after = result.witnesses_before, result.witnesses_after
    if "involuntary_switches" not in after or "monotonic_s" not in after:
        return None
    passed_s = after["monotonic_s"] - before["monotonic_s"]
    return _grown(before, after, "involuntary_switches") / passed_s if passed_s > 0 else None


def _grown(before: Mapping[str, float], after: Mapping[str, float], name: str) -> float:
    return after.get(name, 0.0) - before.get(name, 0.0)
