"""The ways to execute the model, each at its best, with what it asks of the program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ..language import N_
from ..policy import BATCH_SIZE
from ..space.model import Configuration, SearchSpace
from ..worker.protocol import Role
from .finalists import BLOCKS
from .measured import Measured, ranked
from .pairs import baseline, block_pair, log_ratio, pairs_of
from .result import Demand, ExecutionResult, FinalistResult
from .stats import median
from .summary import Summary

EXECUTION = "execution"
OVER_LIMIT = N_("over the limit")


def by_execution(summary: Summary) -> tuple[ExecutionResult, ...]:
    """The best configuration of each way to execute that was tried, the fastest first.

    At the batch size of the verdict; the baseline itself last. Nothing where there is no choice.
    """
    knob, here = summary.space.knob(EXECUTION), _here(summary)
    if knob is None:
        return ()
    base = [m for m in here if summary.space.is_baseline(m.configuration)]
    results = []
    for value in knob.domain:
        tried = [m for m in here if m not in base and m.configuration[EXECUTION] == value]
        if tried:
            results.append(_best_of(summary, tried))
    results.sort(key=lambda r: -median(r.speedups) if r.speedups else 0.0)
    results += [_result(summary, m) for m in base]
    return tuple(results) if len({r.execution for r in results}) > 1 else ()


def _best_of(summary: Summary, tried: Sequence[Measured]) -> ExecutionResult:
    """The fastest, of those that were measured again where there are any.

    Where none keeps the limit that the user has set, the fastest of those.
    """
    again = [r for r in (_result(summary, m) for m in tried) if r.fresh and r.speedups]
    if again:
        return max(again, key=lambda result: median(result.speedups))
    best = next(iter(ranked(tried, summary.objective, summary.limit_ms)), None)
    if best is not None:
        return _result(summary, best)
    over = next(iter(ranked(tried, summary.objective, None)), None)
    if over is None:
        return _result(summary, tried[0])
    return replace(_result(summary, over), outcome=OVER_LIMIT)


def _result(summary: Summary, measured: Measured) -> ExecutionResult:
    value, knob = measured.configuration[EXECUTION], summary.space.knob(EXECUTION)
    shown = finalist_result(summary, measured.configuration, "")
    return ExecutionResult(
        execution=value,
        configuration=shown.configuration,
        outcome=shown.outcome,
        latency_ms=measured.latency_ms if shown.outcome == "ok" else None,
        speedups=shown.speedups if shown.outcome == "ok" else (),
        fresh=shown.fresh,
        demand=demand(summary.space, measured.configuration),
        file=knob.files.get(str(value), "") if knob else "",
    )


def _here(summary: Summary) -> list[Measured]:
    """What was measured at the batch size of the verdict."""
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
