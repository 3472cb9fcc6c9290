"""What a single run, or a careless timer, would have claimed: from the raw samples of a study.

    python benchmarks/naive_claims.py STUDY [--storage URL]

The study needs at least 6 runs of the baseline, which a confirmation gives it. Prints ratios within
that one study; the machine is the one that it ran on.
"""

from __future__ import annotations

import argparse
import itertools
import statistics

from tuner.evidence.conclude import conclude
from tuner.evidence.pairs import baseline
from tuner.options import DEFAULT_STORAGE
from tuner.runs.store import Store
from tuner.study import stored
from tuner.worker.protocol import Measurement

NAIVE_CALLS = 10  # a loop around the first calls of a process, as tutorials have it


def naive_ms(measurement: Measurement) -> float:
    """Mean of the first calls, warm-up included."""
    calls = [*measurement.warmup_ns, *measurement.latency_ns][:NAIVE_CALLS]
    return statistics.fmean(calls) / 1e6


def main() -> None:
    """Read the study and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("study")
    parser.add_argument("--storage", default=DEFAULT_STORAGE)
    options = parser.parse_args()
    store = Store(options.storage)
    summary = stored.load(store, options.study)
    found = conclude(summary)
    runs = [r for one in summary.measured for r in one.runs] + list(summary.confirmation_runs)
    of_baseline = [
        r.run.result.measurement
        for r in runs
        if summary.identity(r.configuration) == baseline(summary) and r.run.result.measurement
    ]
    if len(of_baseline) < 6:
        raise SystemExit(f"{len(of_baseline)} runs of the baseline: run the study with --confirm")
    values = [summary.objective.of(m) for m in of_baseline]
    ratios = sorted(max(a, b) / min(a, b) for a, b in itertools.combinations(values, 2))
    true_ms = statistics.median(statistics.median(m.latency_ns) / 1e6 for m in of_baseline)
    first_ms = statistics.median(naive_ms(m) for m in of_baseline)
    dispatch = statistics.median(
        statistics.median(m.dispatch_ns) / statistics.median(m.latency_ns) for m in of_baseline
    )
    promised = summary.speedup(summary.best) if summary.best else None
    print(f"{len(values)} runs of the baseline, each against each other, nothing changed:")
    print(f"  'speed-up' of one single run over another: median {statistics.median(ratios):.2f}x,")
    print(f"  one of ten above {ratios[int(0.9 * len(ratios))]:.2f}x, largest {ratios[-1]:.2f}x")
    print(f"mean of a process's first {NAIVE_CALLS} calls over the true latency: ", end="")
    print(f"{first_ms / true_ms:.2f}x for the baseline")
    print(f"time until an unsynchronised call returns over the true latency: {dispatch:.0%}")
    if promised and found.evidence.interval:
        print(f"promised by the search's best: {promised:.2f}x, confirmed: ", end="")
        interval = found.evidence.interval
        print(f"{found.evidence.speedup:.2f}x ({interval.low:.2f}x to {interval.high:.2f}x)")


if __name__ == "__main__":
    main()
