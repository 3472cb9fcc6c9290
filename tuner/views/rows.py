"""The tables of a result as headers and rows of text, for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..evidence.ablation import KnobFinding
from ..evidence.effects import Effect
from ..evidence.figures import Figures
from ..evidence.result import CurveResult, Evidence, ExecutionResult, FinalistResult, Result
from ..evidence.stats import median
from ..language import N_, say, with_translation
from ..text import describe
from ..worker.protocol import UNSET
from .cells import Rows, mebibytes, milliseconds, percentile, shortened, times, with_interval

SEARCH_ONLY = N_("* from single runs of the search, not confirmed")
DEMANDS = {
    "nothing": N_("nothing"),
    "settings": N_("settings, no code"),
    "code": N_("lines of code"),
    "file": N_("another file format ({file})"),
}
FINDINGS = {
    "faster": N_("helps: {seen}"),
    "same": N_("no effect: {seen}"),
    "slower": N_("harms: {seen}"),
    "unclear": N_("not shown to help: {seen}"),
}


def figures(evidence: Evidence) -> Rows:
    """Baseline and the configuration that was tried, side by side; the speed-up last."""
    columns: list[tuple[str, Callable[[Figures], str]]] = [
        (say("call latency, median"), lambda f: milliseconds(f.latency_ms)),
        (say("throughput, back to back"), lambda f: f"{f.throughput_per_s:.4g}/s"),
        (say("spread between runs"), lambda f: "" if f.spread is None else f"{f.spread:.1%}"),
        (say("90th percentile"), lambda f: percentile(f.p90_ms)),
        (say("99th percentile"), lambda f: percentile(f.p99_ms)),
        (say("first call"), lambda f: f"{f.first_call_s:.3g} s"),
        (say("dispatch share"), lambda f: f"{f.dispatch_share:.0%}"),
        (say("peak memory"), lambda f: mebibytes(f.peak_memory_mib)),
        (say("runs"), lambda f: str(f.runs)),
    ]
    rows = [(name, text(evidence.baseline), text(evidence.best)) for name, text in columns]
    rows.append((say("speed-up"), "", with_interval(evidence.speedup, evidence.interval)))
    return Rows(("", say("baseline"), say("best")), rows)


def knobs(result: Result, width: int | None = None) -> Rows:
    """The knobs of the configuration that was tried: read-back, effect, what each does.

    width: to which a read-back is cut.
    """
    fresh = {knob.knob: finding(knob) for knob in result.ablation}
    name = say("effect in fresh runs") if fresh else say("effect in the search")
    headers = (say("knob"), say("read back"), name, say("what it does"))
    rows = [
        (
            f"{knob.name}={knob.value}",
            shortened(knob.read_back, width) + ("" if knob.certain else say(" (unverified)")),
            fresh.get(knob.name) or effect(knob.effect),
            say(with_translation(knob.why, knob.why_zh)),
        )
        for knob in result.knobs
    ]
    return Rows(headers, rows)


def finding(knob: KnobFinding) -> str:
    """What the knob does while the others stay set, in fresh runs."""
    result = knob.comparison
    if result is None:
        return say("not measured: {why}", why=knob.reason or "")
    return say(FINDINGS[result.verdict], seen=with_interval(result.speedup, result.interval))


def effect(measured: Effect | None) -> str:
    """Did the knob matter?"""
    if measured is None:
        return say("not known: too few trials")
    interval = with_interval(measured.speedup, measured)
    return interval if measured.mattered else say("unclear: {seen}", seen=interval)


def finalists(configurations: tuple[FinalistResult, ...]) -> Rows:
    """Every configuration that was measured again, and the presets."""
    headers = (say("measured again"), say("speed-up"), say("range"), say("configuration"))
    return Rows(headers, [tuple(_finalist(configuration)) for configuration in configurations])


def _finalist(finalist: FinalistResult) -> Iterator[str]:
    speedups = finalist.speedups
    yield say("preset {name}", name=finalist.preset) if finalist.preset else say("finalist")
    yield times(median(speedups)) if speedups and finalist.outcome == "ok" else finalist.outcome
    if finalist.fresh:
        yield f"{times(min(speedups))} … {times(max(speedups))}"
    else:
        yield say("in the search only") if speedups else ""
    yield describe(finalist.configuration)


def curve(points: tuple[CurveResult, ...]) -> Rows:
    """Baseline and best at each batch size; only what was confirmed is a claim."""
    headers = (
        say("batch"), say("baseline"), say("best"), say("speed-up"), say("per second"),
        say("configuration"),
    )  # fmt: skip
    rows = [
        (
            str(point.batch_size),
            milliseconds(point.baseline_ms) or point.baseline_outcome,
            milliseconds(point.best_ms),
            "" if point.speedup is None else times(point.speedup) + _unless(point.confirmed),
            "" if point.throughput_per_s is None else f"{point.throughput_per_s:.4g}",
            describe(point.configuration),
        )
        for point in points
    ]
    return Rows(headers, rows, say(SEARCH_ONLY))


def executions(results: Sequence[ExecutionResult]) -> Rows:
    """Each way to execute the model at its best, and what it asks of the program."""
    headers = (
        N_("execution"), N_("best configuration"), N_("latency"), N_("speed-up"),
        N_("asks of the program"),
    )  # fmt: skip
    rows = [
        (
            _way(result),
            describe({k: v for k, v in result.configuration.items() if k != "execution"}),
            milliseconds(result.latency_ms) if result.outcome == "ok" else say(result.outcome),
            _speedup(result),
            say(DEMANDS[result.demand], file=result.file),
        )
        for result in results
    ]
    return Rows(tuple(map(say, headers)), rows, say(SEARCH_ONLY))


def _way(result: ExecutionResult) -> str:
    if result.demand == "nothing":
        return say("baseline")
    return say("as it is") if result.execution == UNSET else str(result.execution)


def _speedup(result: ExecutionResult) -> str:
    if not result.speedups:
        return ""
    baseline = result.demand == "nothing"
    return times(median(result.speedups)) + _unless(result.fresh or baseline)


def _unless(confirmed: bool) -> str:
    return "" if confirmed else "*"
