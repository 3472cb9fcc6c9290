"""What a finished study ends with, readable in ten seconds. Returns renderables; prints nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..evidence.ablation import KnobFinding
from ..evidence.effects import Effect
from ..evidence.figures import Figures
from ..evidence.noise import Noise
from ..evidence.result import Evidence, FinalistResult, Result
from ..evidence.stats import median
from ..language import N_, Message, chosen, say
from ..policy import NOISY_SPREAD, PRACTICAL_EFFECT, TOO_BUSY
from ..text import describe, resume_command
from .cells import mebibytes, milliseconds, new_table, percentile, shortened, times, with_interval

STYLES = {"faster": "bold green", "slower": "bold yellow", "not confirmed": "bold yellow"}
SENTENCES = {
    "faster": N_("faster: {speedup}{at} ({seen})"),
    "slower": N_("keep the defaults{at}: the best of the search is slower, {speedup} ({seen})"),
    "same": N_("keep the defaults{at}: the same within {effect:.0%}, {speedup} ({seen})"),
    "unclear": N_("keep the defaults{at}: unclear whether any is better, {speedup} ({seen})"),
}
FINDINGS = {
    "faster": N_("helps: {seen}"),
    "same": N_("no effect: {seen}"),
    "slower": N_("harms: {seen}"),
    "unclear": N_("not shown to help: {seen}"),
}
ADVICE = {  # what disturbed a run -> what to do
    N_("other processes"): N_("stop what else runs on these processors, or give it others: --cpus"),
    N_("steal"): N_("the host of this virtual machine is busy"),
    N_("throttling"): N_("the processor was hot: cool it, or wait"),
    N_("slow processor"): N_(
        "a neighbour of this virtual machine, or its clock: measure again later"
    ),
    N_("low frequency"): N_("set the governor to performance"),
    N_("involuntary switches"): N_("give it cores of its own: --cpus"),
    N_("device shared"): N_("wait until nobody else uses the NPU"),
}


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
            why = found.reason or Message("no configuration beat the baseline")
            return say("keep the defaults{at}: {why}", at=at, why=why)
        said = N_("not confirmed: {speedup} faster{at} in the search's own runs; {reason}")
        return say(said, speedup=times(evidence.speedup), at=at, reason=found.reason or "")
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
    table = new_table("", say("baseline"), say("best"))
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
    speedup = with_interval(evidence.speedup, evidence.interval)
    table.add_row(say("speed-up"), "", speedup, style="bold")
    return table


def knobs(found: Result) -> Table:
    """The knobs of the configuration that was tried: read-back, effect, what each does."""
    fresh = {one.knob: finding(one) for one in found.ablation}
    said = say("effect in fresh runs") if fresh else say("effect in the search")
    table = new_table(say("knob"), say("read back"), said, say("what it does"))
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
    if one.comparison is None:
        return say("not measured: {why}", why=one.reason or "")
    seen = with_interval(one.comparison.speedup, one.comparison.interval)
    return say(FINDINGS[one.verdict], seen=seen)


def why_lines(found: Result) -> Iterator[str]:
    """The smaller configuration with its own intervals, or that there is none."""
    if found.minimal is not None:
        said = N_(
            "minimal configuration, without {dropped}: {over_baseline} against the baseline, "
            "{over_best} against the best ({blocks} blocks of fresh runs)"
        )
        baseline, best = (
            with_interval(c.speedup, c.interval)
            for c in (found.minimal.over_baseline, found.minimal.over_winner)
        )
        blocks, dropped = found.minimal.over_baseline.pairs, ", ".join(found.minimal.dropped)
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
    seen = with_interval(one.speedup, one)
    return seen if one.mattered else say("unclear: {seen}", seen=seen)


def finalists(found: tuple[FinalistResult, ...]) -> Table:
    """Every configuration that was measured again, and the presets."""
    table = new_table(say("measured again"), say("speed-up"), say("range"), say("configuration"))
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
    table = new_table(
        say("batch"),
        say("baseline"),
        say("best"),
        say("speed-up"),
        say("per second"),
        say("configuration"),
    )
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
            said = N_("fixed cost, {name}: {call:.3g} ms a call, then {each} ms a sample")
        else:
            said = N_("fixed cost, {name}: none that the curve shows, then {each} ms a sample")
        yield say(said, name=say(name), call=cost.call_ms, each=each)


def remarks(found: Result) -> Iterator[str]:
    """Failures by outcome, and what could not be checked."""
    if found.failures:
        counted = ", ".join(f"{count} {outcome}" for outcome, count in found.failures.items())
        said = N_("failed runs: {counted}; why: npu-tune show {name}")
        yield say(said, counted=counted, name=found.study)
    before, after = found.evidence.convolutions
    if before or after:
        said = N_("convolutions: baseline {before}, best {after}")
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
        yield say("to write it: npu-tune export {name}", name=found.study)
    else:
        yield say("written: {path}", path=path)
    if found.environment_variables:
        held = " ".join(f"{name}={value}" for name, value in found.environment_variables.items())
        yield say("set before the program starts: {variables}", variables=held)
    if found.recommendation == "confirm first":
        yield say("next: {command}", command=resume_command(found.study, "--confirm auto"))
    yield say("every trial: npu-tune show {name}", name=found.study)


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
    if evidence.interval and evidence.interval.smallest_effect:
        said = N_(
            "smallest speed-up that these {pairs} pairs show 4 times of 5: {effect}; "
            "for less: {command}"
        )
        if evidence.interval.smallest_effect > 1 + TOO_BUSY:
            said = N_(
                "too busy a machine for an answer: these {pairs} pairs show nothing below "
                "{effect}; stop what else runs, then: {command}"
            )
        pairs, effect = evidence.pairs, times(evidence.interval.smallest_effect)
        command = resume_command(found.study, f"--confirm {2 * pairs}")
        yield say(said, pairs=pairs, effect=effect, command=command)
    if any(2 * one.unsteady >= one.runs for one in (evidence.baseline, evidence.best)):
        said = N_(
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
