"""Where the time of a study's search went, and what could not be saved.

    python benchmarks/search_time.py STORAGE STUDY

The floor: what prepares, on as many processors as there are, then the turns one after the other.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Sequence

from tuner.evidence.summary import SEARCH_ROLES
from tuner.runs.records import RecordedRun, elapsed_s
from tuner.runs.store import Store
from tuner.worker.protocol import Role

PREPARING = ("interpreter", "import", "device", "build", "transform")
COMPILING = ("inductor", "inductor-freezing")


def phases(runs: Sequence[RecordedRun]) -> dict[str, float]:
    """Seconds by phase over all runs; what is compiled in a first call is a phase of its own.

    A companion's phases grow from part to part: its last part has them all.
    """
    seconds: dict[str, float] = defaultdict(float)
    last = {r.run.spec.companion: r for r in runs if r.role == Role.COMPANION}
    for recorded in [r for r in runs if r.role != Role.COMPANION] + list(last.values()):
        for name, value in recorded.run.result.phases_s.items():
            compiles = recorded.configuration.get("execution") in COMPILING
            seconds["compile" if name == "first_call" and compiles else name] += value
    return seconds


def main() -> None:
    """Print the table."""
    storage, study = sys.argv[1:]
    runs = [
        r for r in Store(storage, create=False).runs(study)
        if r.role in (*SEARCH_ROLES, Role.COMPANION)
    ]  # fmt: skip
    seconds, cpus = phases(runs), os.cpu_count() or 1
    made = [r for r in runs if r.role != Role.COMPANION]
    prepared = sum(seconds[name] for name in PREPARING)
    turns = sum(v for n, v in seconds.items() if n not in (*PREPARING, "compile"))
    alone = all(not r.run.spec.heat for r in made)
    total = elapsed_s(runs)
    heats = len({r.run.spec.heat for r in made} - {0})
    print(
        f"search: {total:.0f} s for {len(made)} runs in {heats} heats; trials "
        f"{len({r.trial for r in made})}, ok {sum(r.ok for r in made)}"
    )
    print(
        ", ".join(
            f"{name} {value:.0f}"
            for name, value in sorted(seconds.items(), key=lambda item: -item[1])
        )
    )
    floor = turns + (prepared + seconds["compile"]) / (1 if alone else cpus)
    print(
        f"floor: {floor:.0f} s: prepare {prepared:.0f} and compile {seconds['compile']:.0f} "
        f"on {1 if alone else cpus} processors, then {turns:.0f} of turns"
    )


if __name__ == "__main__":
    main()
