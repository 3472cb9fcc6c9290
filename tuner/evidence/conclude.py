"""Summary of a study -> its Result."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..policy import WARMUP
from ..space.model import Configuration
from ..worker.protocol import UNSET, Outcome, OutputCheck, ReadBack, Role
from .ablation import findings, measured_as, minimal
from .effects import effects
from .figures import figures
from .finalists import BLOCKS, finalists
from .noise import Noise, noise
from .pairs import at_batch, baseline, runs_of
from .result import (
    CurveResult,
    Evidence,
    FinalistResult,
    FixedCost,
    KnobResult,
    Recommendation,
    Result,
)
from .stats import line_through, median
from .steady import warmup_needed
from .summary import CurvePoint, Measured, Summary
from .verdict import Judgement, judge


def conclude(summary: Summary) -> Result:
    """What the study has found. Raises StudyConflictError when it has measured nothing yet."""
    judged = judge(summary)
    recommendation = _recommendation(judged)
    tried = summary.space.changed(judged.best.configuration)
    keep = recommendation == "keep the defaults"
    smaller = minimal(summary)
    applied = smaller.configuration if smaller else tried
    measured = measured_as(summary, applied) if smaller else judged.best
    curve = tuple(_curve_result(summary, judged, point) for point in summary.curve)
    return Result(
        study=summary.study.name,
        model=summary.study.setup["model"],
        backend=summary.space.backend,
        verdict=judged.verdict,
        reason=judged.reason,
        recommendation=recommendation,
        configuration={} if keep else {**applied, **_warmup(summary, measured)},
        environment_variables={} if keep else _variables(summary, applied),
        evidence=_evidence(summary, judged, tried),
        ablation=findings(summary),
        minimal=smaller,
        knobs=_knobs(summary, judged.best, tried),
        finalists=_finalists(summary),
        curve=curve,
        fixed_cost_baseline=_fixed_cost([(p.batch_size, p.baseline_ms) for p in curve]),
        fixed_cost_best=_fixed_cost([(p.batch_size, p.best_ms) for p in curve if p.configuration]),
        trials=summary.trials_done,
        failures=dict(summary.failures),
        environment=summary.study.facts["fingerprint"],
    )


def _recommendation(judged: Judgement) -> Recommendation:
    if judged.verdict == "faster":
        return "apply"
    unproven = judged.verdict == "not confirmed" and judged.speedup > 1
    return "confirm first" if unproven else "keep the defaults"


def _evidence(summary: Summary, judged: Judgement, tried: Configuration) -> Evidence:
    outputs = [r.run.result.output for r in judged.best.runs if r.run.result.output is not None]
    output = outputs[0] if outputs else OutputCheck("impossible")
    return Evidence(
        objective=summary.objective.name,
        timed_region=summary.study.setup["timed_region"],
        batch_size=judged.best.batch_size,
        speedup=round(judged.speedup, 4),
        interval=judged.interval,
        pairs=judged.pairs,
        tried=tried,
        best=figures(judged.best),
        baseline=figures(judged.baseline),
        noise=_noise(summary),
        output_check=output.status,
        output_reason=output.reason,
        relative_error=output.relative_error,
        convolutions=(_convolutions(judged.baseline), _convolutions(judged.best)),
    )


def _convolutions(one: Measured) -> str:
    """The path that the worker saw; both where runs differ."""
    seen = {str(r.run.result.facts.get("convolutions", "")) for r in one.runs}
    return "/".join(sorted(seen - {""}))


def _noise(summary: Summary) -> Noise:
    """Of all runs of the baseline's settings at this batch size, and of all runs of the study."""
    base = baseline(summary)
    searched = [r for one in summary.measured for r in one.runs]
    everything = [*searched, *summary.confirmation_runs]
    values = [
        summary.objective.of(r.run.result.measurement)
        for r in everything
        if r.run.result.measurement is not None and summary.identity(r.configuration) == base
    ]
    return noise(values, everything)


def _warmup(summary: Summary, best: Measured) -> Configuration:
    """The warm-up that the stored series show to be needed, not the sampled one.

    Of the runs that settled: none where none did.
    """
    if summary.space.knob(WARMUP) is None:
        return {}
    needed = [calls for m in best.measurements() if (calls := warmup_needed(m)) is not None]
    return {WARMUP: math.ceil(median(needed))} if needed else {}


def _variables(summary: Summary, tried: Configuration) -> dict[str, str]:
    variables: dict[str, str] = {}
    for knob in summary.space.knobs:
        variables.update(knob.variables.get(str(tried.get(knob.name, UNSET)), {}))
    return variables


def _knobs(summary: Summary, best: Measured, tried: Configuration) -> tuple[KnobResult, ...]:
    read_back = next(r.run.result.read_back for r in best.runs if r.run.result.measurement)
    effect = effects(summary, best.configuration)
    nothing = ReadBack("", False, "")
    return tuple(
        KnobResult(
            name=knob.name,
            value=tried[knob.name],
            read_back=str(read_back.get(knob.name, nothing).value),
            certain=read_back.get(knob.name, nothing).certain,
            why=knob.why,
            why_zh=knob.why_zh,
            effect=effect.get(knob.name),
        )
        for knob in summary.space.knobs
        if knob.name in tried
    )


def _finalists(summary: Summary) -> tuple[FinalistResult, ...]:
    """The finalists, then the presets that were none; the best first."""
    presets = {
        name: at_batch(summary, summary.space.preset(name)) for name in summary.space.presets
    }
    again = finalists(summary)
    shown = list(again)
    shown += [one for one in presets.values() if one not in [*again, baseline(summary)]]
    found = [
        _finalist(summary, one, ", ".join(name for name, held in presets.items() if held == one))
        for one in shown
    ]
    found.sort(key=lambda f: -median(f.speedups) if f.speedups else 0.0)
    return tuple(found)


def _finalist(summary: Summary, one: Configuration, preset: str) -> FinalistResult:
    of = summary.objective.of
    speedups = []
    for block in range(BLOCKS):
        sides = [
            runs_of(summary, side, Role.CONFIRM, block)[:1] for side in (one, baseline(summary))
        ]
        values = [of(m) for side in sides for r in side if (m := r.run.result.measurement)]
        if len(values) == 2:
            speedups.append(summary.objective.speedup(*values))
    searched = next((m for m in summary.measured if m.configuration == one), None)
    once = summary.speedup(searched) if searched and not speedups else None
    failed = [
        r.run.result.outcome.value
        for r in summary.confirmation_runs
        if summary.identity(r.configuration) == one and r.run.result.outcome != Outcome.OK
    ]
    outcome = searched.outcome.value if searched else "not run"
    return FinalistResult(
        preset=preset,
        configuration=summary.space.changed(one),
        outcome=failed[0] if failed else outcome,
        speedups=tuple(speedups) if once is None else (once,),
        fresh=bool(speedups),
    )


def _curve_result(summary: Summary, judged: Judgement, point: CurvePoint) -> CurveResult:
    confirmed = judged.interval is not None and point.batch_size == judged.best.batch_size
    best, baseline = point.best, point.baseline
    speedup = summary.speedup(best) if best else None
    if confirmed:
        best, baseline, speedup = judged.best, judged.baseline, round(judged.speedup, 4)
    return CurveResult(
        batch_size=point.batch_size,
        baseline_outcome=baseline.outcome.value if baseline else "not run",
        baseline_ms=baseline.latency_ms if baseline else None,
        best_ms=best.latency_ms if best else None,
        speedup=speedup,
        throughput_per_s=figures(best).throughput_per_s if best else None,
        configuration=summary.space.changed(best.configuration) if best else {},
        confirmed=confirmed,
    )


def _fixed_cost(points: Sequence[tuple[int, float | None]]) -> FixedCost | None:
    """By a line through the points of the curve that were measured."""
    line = line_through([(size, ms) for size, ms in points if ms is not None])
    return FixedCost(*line) if line else None
