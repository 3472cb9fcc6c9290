"""How often each witness of noise fires on recorded runs, and whether the flagged runs deviate.

    python benchmarks/witnesses.py RECORDING.jsonl.gz|DATABASE.db...

A run's deviation is how far its median latency is from that of its configuration: the median over
the configuration's runs, of which there must be three.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tuner.evidence.noise import disturbances, usual
from tuner.evidence.stats import median
from tuner.evidence.steady import settles_at
from tuner.policy import WARMUP
from tuner.runs import recording
from tuner.runs.records import RecordedRun
from tuner.runs.store import Store

RUNS_OF_CONFIGURATION = 3


def studies(path: Path) -> Iterator[tuple[str, list[RecordedRun]]]:
    """(name, runs) of a recording, or of every study in a copy of a database."""
    if path.suffix == ".gz":
        found = recording.read(path)
        yield path.name.partition(".")[0], list(found.runs)
    else:
        store = Store(f"sqlite:///{path}")
        for record in store.studies():
            yield record.name, store.runs(record.name)


def deviations(runs: list[RecordedRun]) -> Iterator[tuple[RecordedRun, float]]:
    """Each good run of a configuration that ran often enough, and how far off it was."""
    groups: dict[str, list[tuple[RecordedRun, float]]] = defaultdict(list)
    for one in runs:
        if (measured := one.run.result.measurement) is not None:
            same = repr({**one.configuration, WARMUP: None})
            groups[same].append((one, median(measured.latency_ns)))
    for group in groups.values():
        middle = median([value for _, value in group])
        if len(group) >= RUNS_OF_CONFIGURATION:
            yield from ((one, abs(value / middle - 1)) for one, value in group)


def kinds(one: RecordedRun, runs: list[RecordedRun]) -> Iterator[str]:
    """What is to be said of a run."""
    found = disturbances(one.run.result, usual(runs))
    yield from found or ["none"]
    measured = one.run.result.measurement
    start = settles_at(measured.latency_ns) if measured else 0
    if start != 0:
        yield ("unsteady" if start is None else "late") + (", disturbed" if found else "")


def main() -> None:
    """A table for each study."""
    for path in map(Path, sys.argv[1:]):
        for name, runs in studies(path):
            seen: dict[str, list[float]] = defaultdict(list)
            for one, off in deviations(runs):
                for kind in ["all", *kinds(one, runs)]:
                    seen[kind].append(off)
            print(f"{name}: deviation of a run from its configuration's median")
            for kind, offs in sorted(seen.items(), key=lambda item: -len(item[1])):
                ordered = sorted(offs)
                print(
                    f"  {kind:22} {len(offs):4} runs  median {median(offs):6.1%}  "
                    f"90th {ordered[9 * len(offs) // 10]:6.1%}  most {ordered[-1]:6.1%}"
                )


if __name__ == "__main__":
    main()
