"""One HTML file of one or several studies: no network, no script, readable on a phone."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .. import __version__
from ..deploy.compare import StudyComparison, compare
from ..evidence.conclude import conclude
from ..evidence.effects import every_effect
from ..evidence.figures import Figures, figures
from ..evidence.measured import Measured
from ..evidence.stats import median
from ..evidence.summary import Summary
from ..evidence.verdict import Judgement, judge
from ..language import chosen, say
from ..text import EMULATED_CANN, describe, resume_command
from . import compare as compare_view
from . import plots, rows
from .cells import Rows, times
from .plots import Distribution, Row, Series
from .result import code_lines, headline, noise_lines, why_lines

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
    studies = [_study(summary) for summary in summaries]
    comparisons = [_comparison(compare(summaries[0], other)) for other in summaries[1:]]
    return pages.get_template("report.html").render(
        say=say,
        language=chosen(),
        title=", ".join(study["name"] for study in studies),
        studies=studies,
        comparisons=comparisons,
        emulated_cann=say(EMULATED_CANN),
        version=__version__,
    )


def _study(summary: Summary) -> dict[str, Any]:
    result, facts = conclude(summary), summary.study.facts.fingerprint
    phases = _phases(judge(summary))
    return {
        "name": result.study,
        "model": result.model,
        "begun": f"{summary.study.created_at:%Y-%m-%d %H:%M} UTC",
        "emulated": bool(facts.get("emulated_cann")),
        "verdict": result.verdict,
        "headline": headline(result),
        "figures": rows.figures(result.evidence),
        "distributions": _distributions(judge(summary)),
        "history": _history(summary),
        "effects": _effects(summary),
        "why_lines": [*why_lines(result), *code_lines(result)],
        "curve": _curve(summary),
        "curve_rows": rows.curve(result.curve),
        "phases": _phases_drawn(phases),
        "phase_names": list(dict.fromkeys(name for _, parts in phases for name, _ in parts)),
        "noise": list(noise_lines(result)),
        "failures": Rows(
            (say("trial"), say("outcome"), say("configuration"), say("why")),
            list(_failures(summary)),
        ),
        "environment": Rows(("", ""), list(_environment(facts))),
        "variables": {n: shlex.quote(v) for n, v in result.environment_variables.items()},
        "recommendation": result.recommendation,
        "confirm": say(resume_command(result.study, "--confirm", "auto")),
        "configuration": result.configuration,
        "knobs": rows.knobs(result),
        "executions": rows.executions(result.by_execution),
        "finalists": rows.finalists(result.finalists),
        "apply": f"npu-tune run results/{result.study}.yaml -- python …",
        "convolutions": compare_view.convolutions(result.evidence.convolutions),
    }


def _environment(fingerprint: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in fingerprint.items():
        if value not in ("", {}, None):
            yield name, str(value)


def _distributions(judgement: Judgement) -> Markup:
    sides = [
        _distribution(say("baseline"), judgement.baseline, "base"),
        _distribution(say("best"), judgement.best, "best"),
    ]
    title = say("latency of single calls; ticks: medians of runs")
    return Markup(plots.distributions(sides, "ms", title))


def _distribution(label: str, measured: Measured, style: str) -> Distribution:
    runs = measured.measurements()
    samples = [value / 1e6 for m in runs for value in m.latency_ns]
    step = max(1, len(samples) // SHOWN_SAMPLES)
    medians = tuple(median(m.latency_ns) / 1e6 for m in runs)
    return Distribution(label, tuple(samples[::step]), medians, style)


def _history(summary: Summary) -> Markup:
    """Every run of the search, those at another batch size than the verdict's pale."""
    batch = summary.best.batch_size if summary.best else None
    points, failed = [], []
    for measured in summary.measured:
        style = "base" if summary.space.is_baseline(measured.configuration) else "best"
        colour = style if measured.batch_size == batch else "faint"
        for recorded in measured.runs:
            if recorded.measurement is None:
                failed.append(recorded.trial)
            else:
                points.append((recorded.trial, summary.objective.of(recorded.measurement), colour))
    unit = summary.objective.unit
    title = say("the search: {unit} of each trial; pale: at another batch size", unit=unit)
    return Markup(plots.history(points, failed, unit, title))


def _effects(summary: Summary) -> Markup | None:
    """Of every value that was searched, by the fit over the search."""
    effects = every_effect(summary, summary.best.batch_size if summary.best else None)
    if not effects:
        return None
    bars = [
        Row(
            f"{name}={value}: {times(effect.speedup)}",
            effect.speedup,
            effect.low,
            effect.high,
            "best" if effect.mattered else "pale",
        )
        for (name, value), effect in effects.items()
    ]
    title = say("how many times better each value makes it, other knobs being equal")
    return Markup(plots.intervals(bars, say("times better"), title))


def _curve(summary: Summary) -> list[Markup]:
    """Latency of lone calls, then throughput of blocks, where there are several batch sizes."""
    if len(summary.curve) < 2:
        return []
    sides: dict[str, list[tuple[float, Figures]]] = {"base": [], "best": []}
    for point in summary.curve:
        for style, measured in (("base", point.baseline), ("best", point.best)):
            if measured and measured.measurements():
                sides[style].append((float(point.batch_size), figures(measured)))
    latency = [
        Series(tuple((size, f.latency_ms) for size, f in side), style)
        for style, side in sides.items()
    ]
    throughput = [
        Series(tuple((size, f.throughput_per_s) for size, f in side), style)
        for style, side in sides.items()
    ]
    return [_over_batches(latency, "ms"), _over_batches(throughput, say("samples/s"))]


def _over_batches(series: Sequence[Series], unit: str) -> Markup:
    title = say("over the batch size: {unit}", unit=unit)
    return Markup(plots.lines(series, say("batch size"), unit, title))


Phases = list[tuple[str, list[tuple[str, float]]]]


def _phases(judgement: Judgement) -> Phases:
    """Where the seconds of a run go, medians over the runs of baseline and best."""
    sides = [(say("baseline"), judgement.baseline), (say("best"), judgement.best)]
    runs = {label: [r.run.result.phases_s for r in side.counted] for label, side in sides}
    names = list(dict.fromkeys(name for side in runs.values() for run in side for name in run))
    return [
        (label, [(name, median([run.get(name, 0.0) for run in side])) for name in names])
        for label, side in runs.items()
    ]


def _phases_drawn(phases: Phases) -> Markup | None:
    if not any(parts for _, parts in phases):
        return None
    return Markup(plots.stacked(phases, "s", say("phases of a run")))


def _failures(summary: Summary) -> Iterator[tuple[str, str, str, str]]:
    runs = [r for measured in summary.measured for r in measured.runs]
    failed = [r for r in [*runs, *summary.confirmation_runs] if not r.ok]
    for recorded in failed[:SHOWN_FAILURES]:
        message = "".join(c for c in recorded.run.result.message if c.isprintable())
        configuration = describe(recorded.configuration)
        yield str(recorded.trial), recorded.outcome.value, configuration, message
    if len(failed) > SHOWN_FAILURES:
        yield "…", say("and {count} more", count=len(failed) - SHOWN_FAILURES), "", ""


def _comparison(result: StudyComparison) -> dict[str, Any]:
    bars = [
        Row(
            f"{compare_view.name_of(configuration)}: {times(change.speedup)}",
            change.speedup,
            interval.low,
            interval.high,
        )
        for configuration in result.configurations
        if (interval := (change := configuration.change.comparison).interval)
    ]
    title = say("how many times better the second study is, configuration by configuration")
    return {
        "first": result.first,
        "second": result.second,
        "emulated": result.first.emulated_cann or result.second.emulated_cann,
        "warnings": map(say, result.warnings),
        "changes": compare_view.changes(result, None),
        "plot": Markup(plots.intervals(bars, say("times better"), title)) if bars else None,
        "configurations": compare_view.configurations(result),
        "knobs": compare_view.knobs(result),
        "environment": compare_view.environment(result),
        "how_sure": compare_view.how_sure(result, None),
        "convolutions": [
            compare_view.convolutions(side.convolutions) for side in (result.first, result.second)
        ],
    }
