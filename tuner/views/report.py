"""One HTML file of one or several studies: no network, no script, readable on a phone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..deploy.compare import StudyComparison, compare
from ..evidence.conclude import conclude
from ..evidence.effects import every_effect
from ..evidence.figures import figures
from ..evidence.measured import Measured
from ..evidence.result import CurveResult, KnobResult, Result
from ..evidence.stats import median
from ..evidence.summary import Summary
from ..evidence.verdict import judge
from ..language import chosen, say
from ..text import describe, resume_command
from ..worker.protocol import Outcome
from . import cells, plots
from .cells import milliseconds, times
from .compare import change_cells, change_rows, convolutions, how_sure, knob_states, name_of
from .plots import Distribution, Row, Series
from .result import finding, headline, noise_lines, why_lines

SHOWN_SAMPLES = 4000  # of one distribution; more change nothing that can be seen
SHOWN_FAILURES = 20


def report(summaries: Sequence[Summary]) -> str:
    """The page. Raises StudyConflictError for a study that has measured nothing."""
    pages = Environment(
        loader=PackageLoader("tuner.views"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    studies = [_study(one) for one in summaries]
    comparisons = [_comparison(compare(summaries[0], other)) for other in summaries[1:]]
    return pages.get_template("report.html").render(
        say=say,
        language=chosen(),
        title=", ".join(study["name"] for study in studies),
        studies=studies,
        comparisons=comparisons,
        version=__version__,
    )


def _study(summary: Summary) -> dict[str, Any]:
    found = conclude(summary)
    facts = summary.study.facts.fingerprint
    phases, phase_names = _phases_of(summary)
    shown = {name: value for name, value in facts.items() if value not in ("", {}, None)}
    return {
        "name": found.study,
        "model": found.model,
        "begun": f"{summary.study.created_at:%Y-%m-%d %H:%M} UTC",
        "emulated": bool(facts.get("emulated_cann")),
        "verdict": found.verdict,
        "headline": headline(found),
        "figures": list(_figures(found)),
        "distributions": _distributions(summary),
        "history": _history(summary),
        "effects": _effects(summary),
        "why": [(f"{one.knob}={one.value}", finding(one)) for one in found.ablation],
        "why_lines": list(why_lines(found)),
        "curve": _curve(summary),
        "curve_rows": [_curve_row(point) for point in found.curve],
        "phases": _phases(phases),
        "phase_names": phase_names,
        "noise": list(noise_lines(found)),
        "failures": list(_failures(summary)),
        "environment": shown,
        "variables": {n: shlex.quote(v) for n, v in found.environment_variables.items()},
        "recommendation": found.recommendation,
        "confirm": resume_command(found.study, "--confirm auto"),
        "configuration": found.configuration,
        "knobs": [_knob(one) for one in found.knobs],
        "apply": f"npu-tune run results/{found.study}.yaml -- python …",
        "convolutions": convolutions(found.evidence.convolutions),
    }


def _figures(found: Result) -> Iterator[tuple[str, str, str]]:
    base, best = found.evidence.baseline, found.evidence.best
    yield say("latency"), f"{base.latency_ms:.4g} ms", f"{best.latency_ms:.4g} ms"
    before, after = (f"{one.throughput_per_s:.4g}" for one in (base, best))
    yield say("samples per second"), before, after
    yield say("90th percentile"), cells.percentile(base.p90_ms), cells.percentile(best.p90_ms)
    yield say("99th percentile"), cells.percentile(base.p99_ms), cells.percentile(best.p99_ms)
    yield say("first call"), f"{base.first_call_s:.3g} s", f"{best.first_call_s:.3g} s"
    yield say("runs"), str(base.runs), str(best.runs)


def _distributions(summary: Summary) -> Markup:
    judged = judge(summary)
    rows = [
        _distribution(say("baseline"), judged.baseline, "base"),
        _distribution(say("best"), judged.best, "best"),
    ]
    drawn = plots.distributions(rows, "ms", say("latency of single calls; ticks: medians of runs"))
    return Markup(drawn)


def _distribution(label: str, one: Measured, style: str) -> Distribution:
    found = one.measurements()
    samples = [value / 1e6 for m in found for value in m.latency_ns]
    step = max(1, len(samples) // SHOWN_SAMPLES)
    medians = tuple(median(m.latency_ns) / 1e6 for m in found)
    return Distribution(label, tuple(samples[::step]), medians, style)


def _history(summary: Summary) -> Markup:
    """Every run of the search, those at another batch size than the verdict's pale."""
    batch = summary.best.batch_size if summary.best else None
    points, failed = [], []
    for one in summary.measured:
        for recorded in one.runs:
            measured = recorded.run.result.measurement
            if measured is None:
                failed.append(recorded.trial)
                continue
            here = one.batch_size == batch
            style = "base" if summary.space.is_baseline(one.configuration) else "best"
            points.append(
                (recorded.trial, summary.objective.of(measured), style if here else "faint")
            )
    unit = summary.objective.unit
    said = say("the search: {unit} of each trial; pale: at another batch size", unit=unit)
    return Markup(plots.history(points, failed, unit, said))


def _effects(summary: Summary) -> Markup | None:
    """Of every value that was searched, by the fit over the search."""
    found = every_effect(summary, summary.best.batch_size if summary.best else None)
    if not found:
        return None
    drawn = [
        Row(
            f"{name}={value}: {times(e.speedup)}",
            e.speedup,
            e.low,
            e.high,
            "best" if e.mattered else "pale",
        )
        for (name, value), e in found.items()
    ]
    said = say("how many times better each value makes it, other knobs being equal")
    return Markup(plots.intervals(drawn, say("times better"), said))


def _curve(summary: Summary) -> list[Markup]:
    """Latency of lone calls, then throughput of blocks, where there are several batch sizes."""
    if len(summary.curve) < 2:
        return []
    drawn = []
    for unit in ("ms", say("samples/s")):
        series = []
        for style in ("base", "best"):
            sides = [
                (p.batch_size, p.baseline if style == "base" else p.best) for p in summary.curve
            ]
            seen = [(b, figures(one)) for b, one in sides if one and one.measurements()]
            values = [
                (float(b), f.latency_ms if unit == "ms" else f.throughput_per_s) for b, f in seen
            ]
            series.append(Series(tuple(values), style))
        said = say("over the batch size: {unit}", unit=unit)
        drawn.append(Markup(plots.lines(series, say("batch size"), unit, said)))
    return drawn


def _curve_row(point: CurveResult) -> tuple[str, ...]:
    mark = "" if point.confirmed else "*"
    return (
        str(point.batch_size),
        milliseconds(point.baseline_ms) or point.baseline_outcome,
        milliseconds(point.best_ms),
        "" if point.speedup is None else times(point.speedup) + mark,
        describe(point.configuration),
    )


Phases = list[tuple[str, list[tuple[str, float]]]]


def _phases_of(summary: Summary) -> tuple[Phases, list[str]]:
    """Where the seconds of a run go, medians over the runs of baseline and best; the names."""
    judged = judge(summary)
    sides = [(say("baseline"), judged.baseline), (say("best"), judged.best)]
    found = {label: [r.run.result.phases_s for r in one.counted] for label, one in sides}
    names = list(dict.fromkeys(name for runs in found.values() for run in runs for name in run))
    rows = [
        (label, [(name, median([run.get(name, 0.0) for run in runs])) for name in names])
        for label, runs in found.items()
    ]
    return rows, names


def _phases(rows: Phases) -> Markup | None:
    if not any(parts for _, parts in rows):
        return None
    return Markup(plots.stacked(rows, "s", say("phases of a run")))


def _failures(summary: Summary) -> Iterator[tuple[str, str, str, str]]:
    runs = [r for one in summary.measured for r in one.runs]
    bad = [r for r in [*runs, *summary.confirmation_runs] if r.run.result.outcome != Outcome.OK]
    for recorded in bad[:SHOWN_FAILURES]:
        found = recorded.run.result
        yield (
            str(recorded.trial),
            found.outcome.value,
            describe(recorded.configuration),
            "".join(c for c in found.message if c.isprintable()),
        )
    if len(bad) > SHOWN_FAILURES:
        yield "…", say("and {count} more", count=len(bad) - SHOWN_FAILURES), "", ""


def _knob(one: KnobResult) -> tuple[str, str, str]:
    why = one.why_zh if chosen() == "zh" and one.why_zh else one.why
    return (
        f"{one.name}={one.value}",
        one.read_back + ("" if one.certain else say(" (unverified)")),
        why,
    )


def _comparison(found: StudyComparison) -> dict[str, Any]:
    drawn = [
        Row(f"{name_of(c)}: {times(r.speedup)}", r.speedup, i.low, i.high)
        for c in found.configurations
        if (i := (r := c.change.comparison).interval)
    ]
    said = say("how many times better the second study is, configuration by configuration")
    return {
        "first": found.first,
        "second": found.second,
        "emulated": found.first.emulated_cann or found.second.emulated_cann,
        "warnings": map(say, found.warnings),
        "changes": list(change_rows(found, None)),
        "plot": Markup(plots.intervals(drawn, say("times better"), said)) if drawn else None,
        "configurations": [
            (name_of(c), *change_cells(c.change, found.unit)) for c in found.configurations
        ],
        "knobs": [
            (f"{k.name}={k.value}", *knob_states(k), say(k.why) if k.why else "")
            for k in found.knobs
            if k.changed
        ],
        "environment": found.environment,
        "how_sure": how_sure(found, None),
        "convolutions": [convolutions(one.convolutions) for one in (found.first, found.second)],
    }
