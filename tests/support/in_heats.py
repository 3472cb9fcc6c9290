"""Recorded runs of heats with literal numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.support.runs import recorded
from tuner.runs.records import RecordedRun
from tuner.space.model import Value
from tuner.worker.protocol import Outcome, Role


def in_heat(
    heat: int,
    turns_ms: Sequence[float],
    role: Role | None = None,
    companion: int = 1,
    trial: int = 0,
    block: int = 0,
    waits_ns: Sequence[int] = (),
    **knobs: Value,
) -> RecordedRun:
    """A run that had these turns, of two samples each that all take so long.

    role: None for that of the search, by the knobs.
    """
    run = recorded(trial, turns_ms[0], Outcome.OK, None, **knobs)
    role = role or run.role
    spec = replace(
        run.run.spec, role=role, heat=heat, companion=companion, block=block, after_trials=1
    )
    turns = list(range(len(turns_ms)))
    times_ns = [int(ms * 1e6) for ms in turns_ms for _ in range(2)]
    assert run.measurement is not None
    measurement = replace(
        run.measurement,
        latency_ns=times_ns,
        dispatch_ns=times_ns,
        latency_turns=[turn for turn in turns for _ in range(2)],
        turns=turns,
        turn_wait_ns=list(waits_ns) or [0] * len(turns),
    )
    result = replace(run.run.result, measurement=measurement)
    return replace(run, run=replace(run.run, spec=spec, result=result))


def baseline_heat(heat: int, companion_ms: float, *baselines_ms: float) -> list[RecordedRun]:
    """A heat of the companion and fresh runs of the baseline, of two turns."""
    ruler = in_heat(heat, [companion_ms] * 2, Role.COMPANION)
    return [ruler, *(in_heat(heat, [ms] * 2) for ms in baselines_ms)]
