"""The figures of one configuration, as medians over its runs."""

from __future__ import annotations

from dataclasses import dataclass

from .measured import Measured
from .noise import page_faults_per_call, relative_spread
from .objectives import latency, throughput
from .stats import median, percentile
from .steady import warmup_needed


@dataclass(frozen=True)
class Figures:
    """What was measured for one configuration; latency is that of a synchronised call.

    spread: standard deviation over mean of the runs' medians. p90, p99: None where there are too
    few samples. dispatch_share: the part of a call after which it returns to Python. unsteady: how
    many of the runs never settled. page_faults_per_call: minor; None where they were not counted.
    rested_ms: of a call after a rest; None where no such calls were made.
    """

    latency_ms: float
    spread: float | None
    p90_ms: float | None
    p99_ms: float | None
    throughput_per_s: float
    dispatch_share: float
    first_call_s: float
    peak_memory_mib: float | None
    runs: int
    trials: tuple[int, ...]
    unsteady: int = 0
    page_faults_per_call: float | None = None
    rested_ms: float | None = None


def figures(measured: Measured) -> Figures:
    """Figures of a configuration with at least one good run."""
    runs, results = measured.measurements(), [r.run.result for r in measured.runs]
    latency_ns = [value for m in runs for value in m.latency_ns]
    medians_ms = [latency(m) for m in runs]
    rested_ns = [median(m.rested_ns) for m in runs if m.rested_ns]
    peaks = [float(peak) for r in results if (peak := r.peak_memory_bytes) is not None]
    faults = [count for r in results if (count := page_faults_per_call(r)) is not None]
    return Figures(
        latency_ms=round(median(medians_ms), 4),
        spread=_rounded(relative_spread(medians_ms)),
        p90_ms=_rounded(percentile(latency_ns, 90), 1e6),
        p99_ms=_rounded(percentile(latency_ns, 99), 1e6),
        throughput_per_s=round(median([throughput(m) for m in runs]), 3),
        dispatch_share=round(
            median([median(m.dispatch_ns) / median(m.latency_ns) for m in runs]), 4
        ),
        first_call_s=round(median([m.warmup_ns[0] / 1e9 for m in runs]), 4),
        peak_memory_mib=_rounded(median(peaks), 2**20) if peaks else None,
        runs=len(runs),
        trials=tuple(measured.trials),
        unsteady=sum(warmup_needed(m) is None for m in runs),
        page_faults_per_call=round(median(faults), 1) if faults else None,
        rested_ms=_rounded(median(rested_ns), 1e6) if rested_ns else None,
    )


def _rounded(value: float | None, unit: float = 1) -> float | None:
    return None if value is None else round(value / unit, 4)
