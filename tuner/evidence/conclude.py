"""Summary of a study -> its Result."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from ..policy import WARMUP
from ..runs.records import RecordedRun, elapsed_s
from ..space.model import Configuration
from ..worker.protocol import UNSET, OutputCheck, ReadBack
from .ablation import findings, measured_as, minimal
from .effects import effects
from .figures import figures
from .finalists import finalists
from .growth import growth
from .measured import Measured
from .noise import Noise, noise
from .pairs import at_batch, baseline, floor_of
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
from .summary import CurvePoint, Summary
from .verdict import Judgement, judge
from .ways import by_execution, finalist_result, in_code, without_code


def conclude(summary: Summary) -> Result:
    """What the study has found. Raises StudyConflictError when it has measured nothing yet."""
    judgement = judge(summary)
    recommendation = _recommendation(judgement)
    keep = recommendation == "keep the defaults"
    winner = _acting(summary, judgement.best)
    smaller = minimal(summary)
    choice = smaller.configuration if smaller else winner
    measured = measured_as(summary, choice) if smaller else judgement.best
    code = {} if keep else in_code(summary, choice)
    curve = tuple(_curve_result(summary, judgement, point) for point in summary.curve)
    return Result(
        study=summary.study.name,
        model=summary.options.model,
        backend=summary.space.backend,
        verdict=judgement.verdict,
        reason=judgement.reason,
        recommendation=recommendation,
        configuration={} if keep else {**choice, **_warmup(summary, measured)},
        environment_variables={} if keep else _variables(summary, choice),
        evidence=_evidence(summary, judgement, winner),
        ablation=findings(summary),
        minimal=smaller,
        knobs=_knobs(summary, judgement.best, winner),
        finalists=_finalists(summary),
        curve=curve,
        fixed_cost_baseline=_fixed_cost([(p.batch_size, p.baseline_ms) for p in curve]),
        fixed_cost_best=_fixed_cost([(p.batch_size, p.best_ms) for p in curve if p.configuration]),
        trials=summary.trials_done,
        failures=dict(summary.failures),
        inert=summary.inert_settings,
        failing=summary.failing_settings,
        in_code=code,
        without_code=without_code(summary) if code else None,
        exported="" if keep else next(r.run.result.exported for r in measured.good),
        by_execution=by_execution(summary),
        environment=summary.study.facts.fingerprint,
    )


def _acting(summary: Summary, best: Measured) -> Configuration:
    """The knobs that it sets, without those that did nothing in any of its own runs.

    Some values act in some company only.
    """
    backs = [recorded.run.result.read_back for recorded in best.good]
    return {
        name: value
        for name, value in summary.space.changed(best.configuration).items()
        if not all(summary.meanings.does_nothing(name, value, back.get(name)) for back in backs)
    }


def _recommendation(judgement: Judgement) -> Recommendation:
    if judgement.verdict == "faster":
        return "apply"
    unproven = judgement.verdict == "not confirmed" and judgement.comparison.speedup > 1
    return "confirm first" if unproven else "keep the defaults"


def _evidence(summary: Summary, judgement: Judgement, winner: Configuration) -> Evidence:
    best, comparison = judgement.best, judgement.comparison
    outputs = [r.run.result.output for r in best.runs if r.run.result.output is not None]
    output = outputs[0] if outputs else OutputCheck("impossible")
    return Evidence(
        objective=summary.objective.name,
        timed_region=summary.options.timed_region,
        pause_ms=summary.options.pause_ms,
        batch_size=best.batch_size,
        speedup=round(comparison.speedup, 4),
        interval=comparison.interval,
        pairs=comparison.pairs,
        tried=winner,
        best=figures(best),
        baseline=figures(judgement.baseline),
        noise=_noise(summary),
        output_check=output.status,
        output_reason=output.reason,
        output_others=_others(summary, best),
        output_by=output.by,
        warnings=tuple(sorted({w for r in best.runs for w in r.run.result.warnings})),
        set_again=_set_again(best, winner),
        relative_error=output.relative_error,
        growth=growth(_runs_of(summary, baseline(summary))),
        convolutions=(_convolutions(judgement.baseline), _convolutions(best)),
        pair_s=_pair_s(judgement),
    )


def _pair_s(judgement: Judgement) -> float | None:
    pairs = judgement.comparison.pairs
    if not pairs:
        return None
    return round(elapsed_s([*judgement.best.runs, *judgement.baseline.runs]) / pairs, 1)


def _others(summary: Summary, best: Measured) -> str:
    """What the search saw of the configuration's outputs on other inputs; "" where it did not."""
    searched = summary.measured_of(summary.identity(best.configuration))
    outputs = [r.run.result.output for r in searched.runs] if searched else []
    return next((output.others for output in outputs if output and output.others), "")


def _set_again(best: Measured, winner: Configuration) -> tuple[str, ...]:
    return tuple(sorted({n for r in best.runs for n in r.run.result.set_again if n in winner}))


def _convolutions(measured: Measured) -> str:
    """The path that the worker saw; both where runs differ."""
    paths = {c.path for r in measured.runs if (c := r.run.result.convolutions)}
    return "/".join(sorted(paths - {""}))


def _all_runs(summary: Summary) -> list[RecordedRun]:
    """Of the search and of what came after it."""
    search = [r for measured in summary.measured for r in measured.runs]
    return [*search, *summary.confirmation_runs]


def _runs_of(summary: Summary, configuration: Configuration) -> list[RecordedRun]:
    return [r for r in _all_runs(summary) if summary.identity(r.configuration) == configuration]


def _noise(summary: Summary) -> Noise:
    """Of all runs of the baseline's settings at this batch size, and of all runs of the study."""
    runs = _all_runs(summary)
    own = [r.measurement for r in _runs_of(summary, baseline(summary))]
    values = [summary.objective.of(measurement) for measurement in own if measurement is not None]
    alive = Counter(r.run.spec.heat for r in runs if r.run.spec.heat)
    beside = {r.run.spec.heat for r in runs if r.run.spec.companion}
    sizes = [count + (heat in beside) for heat, count in alive.items()]
    size = max(sizes, default=max(1, summary.options.heat_size))
    return noise(values, runs, size, floor_of(summary))


def _warmup(summary: Summary, best: Measured) -> Configuration:
    """The warm-up that the stored series show to be needed, not the sampled one.

    Of the runs that settled: none where none did.
    """
    if summary.space.knob(WARMUP) is None:
        return {}
    needed = [calls for m in best.measurements() if (calls := warmup_needed(m)) is not None]
    return {WARMUP: math.ceil(median(needed))} if needed else {}


def _variables(summary: Summary, choice: Configuration) -> dict[str, str]:
    variables: dict[str, str] = {}
    for knob in summary.space.knobs:
        variables.update(knob.variables.get(str(choice.get(knob.name, UNSET)), {}))
    return variables


def _knobs(summary: Summary, best: Measured, winner: Configuration) -> tuple[KnobResult, ...]:
    read_back = best.good[0].run.result.read_back
    effect = effects(summary, best.configuration)
    nothing = ReadBack("", False, "")
    return tuple(
        KnobResult(
            name=knob.name,
            value=winner[knob.name],
            read_back=str(read_back.get(knob.name, nothing).value),
            certain=read_back.get(knob.name, nothing).certain,
            why=knob.why,
            why_zh=knob.why_zh,
            effect=effect.get(knob.name),
        )
        for knob in summary.space.knobs
        if knob.name in winner
    )


def _finalists(summary: Summary) -> tuple[FinalistResult, ...]:
    """The finalists, then the presets that were none; the best first."""
    presets = {
        name: at_batch(summary, summary.space.preset(name)) for name in summary.space.presets
    }
    again = finalists(summary)
    others = [p for p in presets.values() if p not in [*again, baseline(summary)]]
    results = []
    for configuration in [*again, *others]:
        names = [name for name, preset in presets.items() if preset == configuration]
        results.append(finalist_result(summary, configuration, ", ".join(names)))
    results.sort(key=lambda r: -median(r.speedups) if r.speedups else 0.0)
    return tuple(results)


def _curve_result(summary: Summary, judgement: Judgement, point: CurvePoint) -> CurveResult:
    own = point.batch_size == judgement.best.batch_size
    confirmed = own and judgement.comparison.interval is not None
    best, base = point.best, point.baseline
    speedup = summary.speedup(best) if best else None
    if confirmed:
        best, base = judgement.best, judgement.baseline
        speedup = round(judgement.comparison.speedup, 4)
    return CurveResult(
        batch_size=point.batch_size,
        baseline_outcome=base.outcome.value if base else "not run",
        baseline_ms=base.latency_ms if base else None,
        best_ms=best.latency_ms if best else None,
        speedup=speedup,
        throughput_per_s=figures(best).throughput_per_s if best else None,
        configuration=summary.space.changed(best.configuration) if best else {},
        confirmed=confirmed,
    )


def _fixed_cost(points: Sequence[tuple[int, float | None]]) -> FixedCost | None:
    """By a line through the points of the curve that were measured."""
    measured = [(size, ms) for size, ms in points if ms is not None]
    line = line_through(measured)
    if line is None:
        return None
    call_ms, sample_ms = line
    if sample_ms <= 0:  # noise, or larger batches that run better: no sample gives time back
        return FixedCost(median([ms for _, ms in measured]), 0.0)
    return FixedCost(max(0.0, call_ms), sample_ms)
