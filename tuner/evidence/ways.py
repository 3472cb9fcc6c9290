"""The ways to execute the model, each at its best, with what it asks of the program."""

from __future__ import annotations

import math

from ..policy import BATCH_SIZE
from ..space.model import Configuration, SearchSpace
from ..worker.protocol import Role
from .finalists import BLOCKS
from .measured import Measured, ranked
from .pairs import baseline, block_pair, log_ratio, pairs_of
from .result import Demand, ExecutionResult, FinalistResult
from .summary import Summary

EXECUTION = "execution"


def by_execution(summary: Summary) -> tuple[ExecutionResult, ...]:
    """The best configuration of each way to execute that was tried, the fastest first.

    At the baseline's batch size, the baseline's own way included. Nothing where there is no choice.
    """
    knob, results = summary.space.knob(EXECUTION), []
    for value in knob.domain if knob else ():
        tried = [m for m in _here(summary) if m.configuration[EXECUTION] == value]
        if not tried:
            continue
        best = next(iter(ranked(tried, summary.objective, summary.limit_ms)), tried[0])
        found = finalist_result(summary, best.configuration, "")
        results.append(
            ExecutionResult(
                execution=value,
                configuration=found.configuration,
                outcome=found.outcome,
                latency_ms=best.latency_ms,
                speedups=found.speedups,
                fresh=found.fresh,
                demand=demand(summary.space, best.configuration),
                file=knob.files.get(str(value), "") if knob else "",
            )
        )
    results.sort(key=lambda r: -_median_speedup(r))
    return tuple(results) if len(results) > 1 else ()


def _median_speedup(result: ExecutionResult) -> float:
    speedups = sorted(result.speedups)
    return speedups[len(speedups) // 2] if speedups else 0.0


def _here(summary: Summary) -> list[Measured]:
    """What was measured at the baseline's batch size."""
    batch_size = baseline(summary).get(BATCH_SIZE)
    return [m for m in summary.measured if m.configuration.get(BATCH_SIZE) == batch_size]


def demand(space: SearchSpace, configuration: Configuration) -> Demand:
    """The most that one of its knobs asks of the program."""
    changed = space.changed(configuration)
    knobs = [knob for knob in space.knobs if knob.name in changed]
    if any(str(changed[knob.name]) in knob.files for knob in knobs):
        return "file"
    if any(knob.apply == "model" for knob in knobs):
        return "code"
    return "settings" if knobs else "nothing"


def in_code(summary: Summary, configuration: Configuration) -> Configuration:
    """The knobs that are applied to the model: neither a variable nor a setting of the process."""
    knobs = [knob.name for knob in summary.space.knobs if knob.apply == "model"]
    changed = summary.space.changed({**summary.space.baseline(), **configuration})
    return {name: value for name, value in changed.items() if name in knobs}


def without_code(summary: Summary) -> FinalistResult | None:
    """The best of what was measured that leaves the program's code alone; None: the baseline is."""
    here = [m for m in _here(summary) if not in_code(summary, m.configuration)]
    best = next(iter(ranked(here, summary.objective, summary.limit_ms)), None)
    if best is None or summary.space.is_baseline(best.configuration):
        return None
    return finalist_result(summary, best.configuration, "")


def finalist_result(summary: Summary, configuration: Configuration, preset: str) -> FinalistResult:
    """How a configuration did in the confirmation, else in the search."""
    base = baseline(summary)
    blocks = [block_pair(summary, configuration, base, Role.CONFIRM, b) for b in range(BLOCKS)]
    pairs = [pair for pair in blocks if pair] or pairs_of(summary, configuration)
    speedups = tuple(round(math.exp(-log_ratio(summary, *pair)), 4) for pair in pairs)
    search = summary.measured_of(configuration)
    once = summary.speedup(search) if search and not speedups else None
    failures = [
        r.outcome.value
        for r in summary.confirmation_runs
        if not r.ok and summary.identity(r.configuration) == configuration
    ]
    outcome = search.outcome.value if search else "not run"
    return FinalistResult(
        preset=preset,
        configuration=summary.space.changed(configuration),
        outcome=failures[0] if failures else outcome,
        speedups=speedups if once is None else (once,),
        fresh=bool(speedups),
    )
