"""What a finished study ends with, readable in ten seconds. Returns renderables; prints nothing."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .ablation import KnobFinding
from .effects import Effect
from .figures import Figures
from .language import chosen, say
from .noise import Noise
from .progress import describe
from .result import Evidence, FinalistResult, Result
from .setup import PRACTICAL_EFFECT
from .stats import median

STYLES = {"faster": "bold green", "slower": "bold yellow", "not confirmed": "bold yellow"}
SENTENCES = {
    "faster": "faster: {speedup}{at} ({seen})",
    "slower": "keep the defaults{at}: the best of the search is slower, {speedup} ({seen})",
    "same": "keep the defaults{at}: the same within {effect:.0%}, {speedup} ({seen})",
    "unclear": "keep the defaults{at}: unclear whether any is better, {speedup} ({seen})",
}
FINDINGS = {
    "faster": "helps: {seen}",
    "same": "no effect: {seen}",
    "slower": "harms: {seen}",
    "unclear": "not shown to help: {seen}",
}
ADVICE = {  # what disturbed a run -> what to do
    "other processes": "stop what else runs here",
    "steal": "the host of this virtual machine is busy",
    "throttling": "the processor was hot: cool it, or wait",
    "slow processor": "a neighbour of this virtual machine, or its clock: measure again later",
    "low frequency": "set the governor to performance",
    "involuntary switches": "give it cores of its own: --cpus",
    "device shared": "wait until nobody else uses the NPU",
}
TOO_BUSY = 2.0  # no number of pairs that anybody would wait for shows an effect in such noise
NOISY_SPREAD = 0.03  # above it even a 5 % gain takes more than a dozen pairs


def closing(found: Result, path: Path | None) -> RenderableType:
    """Verdict, baseline against winner, knobs, finalists, batch sizes, noise, failures, files."""
    label = say("emulated CANN, ") if found.environment.get("emulated_cann") else ""
    style = STYLES.get(found.verdict, "bold")
    parts: list[RenderableType] = [Text(label + headline(found), style=style)]
    if label:
        parts.append(Text(say("emulated CANN: no figure below is a device's")))
    parts += [Text(), comparison(found.evidence)]
    if found.knobs:
        parts += [Text(), knobs(found), *map(Text, why_lines(found))]
    if found.finalists:
        parts += [Text(), finalists(found.finalists)]
    if len(found.curve) > 1:
        parts += [Text(), curve(found), *map(Text, fixed_costs(found))]
    parts += [Text(), *map(Text, noise_lines(found)), *map(Text, remarks(found))]
    parts += [Text(), *map(Text, last_lines(found, path))]
    return Group(*parts)


def headline(found: Result) -> str:
    """The verdict in one sentence."""
    evidence = found.evidence
    at = say(" at batch size {size}", size=evidence.batch_size) if evidence.batch_size else ""
    if evidence.interval is None:
        if found.recommendation == "keep the defaults":
            why = found.reason or say("no configuration beat the baseline")
            return say("keep the defaults{at}: {why}", at=at, why=why)
        said = "not confirmed: {speedup} faster{at} in the search's own runs; {reason}"
        return say(said, speedup=times(evidence.speedup), at=at, reason=found.reason)
    seen = say(
        "{low} to {high} with {coverage:.1%} confidence, {pairs} pairs of fresh runs",
        low=times(evidence.interval.low),
        high=times(evidence.interval.high),
        coverage=evidence.interval.coverage,
        pairs=evidence.pairs,
    )
    speedup, effect = times(evidence.speedup), PRACTICAL_EFFECT
    return say(SENTENCES[found.verdict], speedup=speedup, at=at, seen=seen, effect=effect)


def comparison(evidence: Evidence) -> Table:
    """Baseline and the configuration that was tried, side by side."""
    table = new_table("", "baseline", "best")
    rows: list[tuple[str, Callable[[Figures], str]]] = [
        (say("call latency, median"), lambda f: f"{f.latency_ms:.4g} ms"),
        (say("throughput, back to back"), lambda f: f"{f.throughput_per_s:.4g}/s"),
        (say("spread between runs"), lambda f: "" if f.spread is None else f"{f.spread:.1%}"),
        (say("90th percentile"), lambda f: percentile(f.p90_ms)),
        (say("99th percentile"), lambda f: percentile(f.p99_ms)),
        (say("first call"), lambda f: f"{f.first_call_s:.3g} s"),
        (say("dispatch share"), lambda f: f"{f.dispatch_share:.0%}"),
        (say("peak memory"), lambda f: mebibytes(f.peak_memory_mib)),
        (say("runs"), lambda f: str(f.runs)),
    ]  # fmt: skip
    for name, of in rows:
        table.add_row(name, of(evidence.baseline), of(evidence.best))
    speedup, interval = times(evidence.speedup), evidence.interval
    if interval:
        speedup += f" ({times(interval.low)} … {times(interval.high)})"
    table.add_row(say("speed-up"), "", speedup, style="bold")
    return table


def knobs(found: Result) -> Table:
    """The knobs of the configuration that was tried: read-back, effect, what each does."""
    fresh = {one.knob: finding(one) for one in found.ablation}
    said = "effect in fresh runs" if fresh else "effect in the search"
    table = new_table("knob", "read back", said, "what it does")
    table.columns[0].no_wrap = True
    for knob in found.knobs:
        why = knob.why_zh if chosen() == "zh" and knob.why_zh else knob.why
        doubt = "" if knob.certain else say(" (unverified)")
        setting = f"{knob.name}={knob.value}"
        did = fresh.get(knob.name) or effect(knob.effect)
        table.add_row(setting, shortened(knob.read_back) + doubt, did, why)
    return table


def finding(one: KnobFinding) -> str:
    """What the knob does while the others stay set, in fresh runs."""
    if one.speedup is None or one.interval is None:
        return say("not measured: {why}", why=one.reason)
    interval = f"({times(one.interval.low)} … {times(one.interval.high)})"
    return say(FINDINGS[one.verdict], seen=f"{times(one.speedup)} {interval}")


def why_lines(found: Result) -> Iterator[str]:
    """The smaller configuration with its own intervals, or that there is none."""
    if found.minimal is not None:
        said = (
            "minimal configuration, without {dropped}: {over_baseline} against the baseline, "
            "{over_best} against the best ({blocks} blocks of fresh runs)"
        )
        baseline, best = (
            f"{times(c.speedup)} ({times(c.interval.low)} … {times(c.interval.high)})"
            for c in (found.minimal.over_baseline, found.minimal.over_winner)
        )
        blocks, dropped = found.minimal.over_baseline.blocks, ", ".join(found.minimal.dropped)
        yield say(said, dropped=dropped, over_baseline=baseline, over_best=best, blocks=blocks)
        shown = describe(found.minimal.configuration)
        yield say("exported instead of the best: {configuration}", configuration=shown)
    elif found.ablation and all(one.verdict == "faster" for one in found.ablation):
        yield say("every knob helps: nothing is left out")
    elif found.ablation:
        yield say("nothing is left out: no smaller configuration was shown to be as fast")


def effect(one: Effect | None) -> str:
    """Did the knob matter?"""
    if one is None:
        return say("not known: too few trials")
    seen = f"{times(one.speedup)} ({times(one.low)} … {times(one.high)})"
    return seen if one.mattered else say("unclear: {seen}", seen=seen)


def finalists(found: tuple[FinalistResult, ...]) -> Table:
    """Every configuration that was measured again, and the presets."""
    table = new_table("measured again", "speed-up", "range", "configuration")
    for one in found:
        middle = median(one.speedups) if one.speedups else None
        around = f"{times(min(one.speedups))} … {times(max(one.speedups))}" if one.fresh else ""
        seen = one.outcome if middle is None or one.outcome != "ok" else times(middle)
        runs = "" if one.fresh or middle is None else say("in the search only")
        name = say("preset {name}", name=one.preset) if one.preset else say("finalist")
        table.add_row(name, seen, around or runs, describe(one.configuration))
    return table


def curve(found: Result) -> Table:
    """Baseline and best at each batch size; only what was confirmed is a claim."""
    table = new_table("batch", "baseline", "best", "speed-up", "per second", "configuration")
    for point in found.curve:
        mark = "" if point.confirmed else "*"
        table.add_row(
            str(point.batch_size),
            milliseconds(point.baseline_ms) or point.baseline_outcome,
            milliseconds(point.best_ms),
            "" if point.speedup is None else times(point.speedup) + mark,
            "" if point.throughput_per_s is None else f"{point.throughput_per_s:.4g}",
            describe(point.configuration),
        )
    table.caption = say("* from single runs of the search, not confirmed")
    table.caption_justify = "left"
    return table


def fixed_costs(found: Result) -> Iterator[str]:
    """What a call costs before its first sample, by a line through the curve."""
    lines = [("baseline", found.fixed_cost_baseline), ("best", found.fixed_cost_best)]
    for name, cost in lines:
        if cost is None:
            continue
        each = f"{cost.sample_ms:.3g}"
        if cost.call_ms > 0:
            said = "fixed cost, {name}: {call:.3g} ms a call, then {each} ms a sample"
        else:
            said = "fixed cost, {name}: none that the curve shows, then {each} ms a sample"
        yield say(said, name=say(name), call=cost.call_ms, each=each)


def noise_lines(found: Result) -> Iterator[str]:
    """Spread, smallest effect, disturbed runs: each with what to do."""
    evidence, noise = found.evidence, found.evidence.noise
    if noise.baseline_spread is not None:
        line = say(
            "noise: {count} runs of the baseline spread by {spread:.1%}",
            count=noise.baseline_runs,
            spread=noise.baseline_spread,
        )
        if noise.baseline_spread > NOISY_SPREAD:
            line += say("; a quieter machine, or --cpus with cores of one node, lowers it")
        yield line
    if evidence.interval:
        said = (
            "smallest speed-up that these {pairs} pairs show 4 times of 5: {effect}; "
            "for less: npu-tune --resume --study {name} --confirm {more}"
        )
        if evidence.interval.smallest_effect > TOO_BUSY:
            said = (
                "too busy a machine for an answer: these {pairs} pairs show nothing below "
                "{effect}; stop what else runs, then: npu-tune --resume --study {name} "
                "--confirm {more}"
            )
        pairs, effect = evidence.pairs, times(evidence.interval.smallest_effect)
        yield say(said, name=_quoted(found), pairs=pairs, effect=effect, more=2 * pairs)
    if evidence.baseline.unsteady or evidence.best.unsteady:
        said = (
            "never settled: {baseline} of {baseline_runs} runs of the baseline, {best} of {runs} "
            "of the best: give more warm-up, such as --set warmup=200, or a quieter machine"
        )
        yield say(
            said,
            baseline=evidence.baseline.unsteady,
            baseline_runs=evidence.baseline.runs,
            best=evidence.best.unsteady,
            runs=evidence.best.runs,
        )
    if noise.runs:
        yield disturbed(noise)


def disturbed(noise: Noise) -> str:
    """How many runs were disturbed, by what, and what to do."""
    if not noise.disturbed_runs:
        return say("disturbed from outside: none of {runs} runs", runs=noise.runs)
    kinds = ", ".join(
        f"{say(kind)} {count} ({say(ADVICE[kind])})" for kind, count in noise.disturbed.items()
    )
    return say(
        "disturbed from outside: {count} of {runs} runs: {kinds}",
        count=noise.disturbed_runs,
        runs=noise.runs,
        kinds=kinds,
    )


def remarks(found: Result) -> Iterator[str]:
    """Failures by outcome, and what could not be checked."""
    if found.failures:
        counted = ", ".join(f"{count} {outcome}" for outcome, count in found.failures.items())
        yield say(
            "failed runs: {counted}; why: npu-tune show {name}",
            counted=counted,
            name=_quoted(found),
        )
    before, after = found.evidence.convolutions
    if before or after:
        said = "convolutions: baseline {before}, best {after}"
        nothing = say("not seen")
        yield say(said, before=before or nothing, after=after or nothing)
    if found.evidence.output_check == "impossible":
        why = found.evidence.output_reason
        yield say("warning: outputs could not be checked: {why}", why=why)
    else:
        yield say("output: like the baseline's")


def last_lines(found: Result, path: Path | None) -> Iterator[str]:
    """Files, and what to do next."""
    if path is None:
        yield say("to write it: npu-tune export {name}", name=_quoted(found))
    else:
        yield say("written: {path}", path=path)
    if found.environment_variables:
        held = " ".join(f"{name}={value}" for name, value in found.environment_variables.items())
        yield say("set before the program starts: {variables}", variables=held)
    if found.recommendation == "confirm first":
        yield say("next: npu-tune --resume --study {name} --confirm auto", name=_quoted(found))
    yield say("every trial: npu-tune show {name}", name=_quoted(found))


def _quoted(found: Result) -> str:
    return shlex.quote(found.study)


def times(ratio: float) -> str:
    """`3.26x`."""
    if ratio < 0.1:
        return f"{ratio:.2g}x"
    return f"{ratio:.2f}x" if abs(ratio - 1) >= 0.1 else f"{ratio:.3f}x"


def milliseconds(value: float | None) -> str:
    """`6.609 ms`, or nothing."""
    return "" if value is None else f"{value:.4g} ms"


def mebibytes(value: float | None) -> str:
    """`310 MiB`, or nothing."""
    return "" if value is None else f"{value:.0f} MiB"


def percentile(value_ms: float | None) -> str:
    """A percentile, or that there are too few samples for it."""
    return milliseconds(value_ms) or say("too few samples")


def shortened(text: str, width: int = 24) -> str:
    """The text, cut where it would make a column too wide."""
    return text if len(text) <= width else text[: width - 1] + "…"


def new_table(*headers: str) -> Table:
    """A table without rules, its headers translated; a column that is too narrow folds."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(say(header), overflow="fold")
    return table
