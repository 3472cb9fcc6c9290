"""What a finished study ends with, readable in ten seconds. Returns renderables; prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import Group, RenderableType
from rich.text import Text

from ..evidence.floor import Floor
from ..evidence.noise import Noise
from ..evidence.result import Evidence, Result
from ..evidence.stats import median
from ..language import N_, Message, say
from ..policy import NOISY_SPREAD, PRACTICAL_EFFECT, TOO_BUSY
from ..text import EMULATED_CANN, command, describe, duration, labelled, resume_command
from . import rows
from .cells import table, times, with_interval
from .remarks import remarks

READ_BACK_WIDTH = 24
STYLES = {"faster": "bold green", "slower": "bold yellow", "not confirmed": "bold yellow"}
SENTENCES = {
    "faster": N_("faster: {speedup}{at} ({seen})"),
    "slower": N_("keep the defaults{at}: the best of the search is slower, {speedup} ({seen})"),
    "same": N_("keep the defaults{at}: the same within {effect:.0%}, {speedup} ({seen})"),
    "unclear": N_("keep the defaults{at}: unclear whether any is better, {speedup} ({seen})"),
}
ADVICE = {  # what disturbed a run -> what to do
    N_("other processes"): N_("stop what else runs on these processors, or give it others: --cpus"),
    N_("steal"): N_("the host of this virtual machine is busy"),
    N_("quota"): N_(
        "the quota of the cgroup stopped it: fewer threads, or a larger quota (docker run --cpus)"
    ),
    N_("throttling"): N_("the processor was hot: cool it, or wait"),
    N_("slow processor"): N_(
        "a neighbour of this virtual machine, or its clock: measure again later"
    ),
    N_("low frequency"): N_("set the governor to performance"),
    N_("involuntary switches"): N_("give it cores of its own: --cpus"),
    N_("device shared"): N_("wait until nobody else uses the NPU"),
}


def closing(result: Result, path: Path | None) -> RenderableType:
    """Verdict, baseline against winner, knobs, finalists, batch sizes, noise, failures, files."""
    emulated = bool(result.environment.get("emulated_cann"))
    style = STYLES.get(result.verdict, "bold")
    parts: list[RenderableType] = [Text(labelled(headline(result), emulated), style=style)]
    if emulated:
        parts.append(Text(say(EMULATED_CANN)))
    figures = table(rows.figures(result.evidence))
    figures.rows[-1].style = "bold"
    parts += [Text(), figures]
    if result.knobs:
        knobs = table(rows.knobs(result, READ_BACK_WIDTH))
        knobs.columns[0].no_wrap = True
        parts += [Text(), knobs, *map(Text, why_lines(result)), *map(Text, code_lines(result))]
    if result.by_execution:
        parts += [Text(), table(rows.executions(result.by_execution))]
    if result.finalists:
        parts += [Text(), table(rows.finalists(result.finalists))]
    if len(result.curve) > 1:
        parts += [Text(), table(rows.curve(result.curve)), *map(Text, fixed_costs(result))]
    parts += [Text(), *map(Text, noise_lines(result)), *map(Text, remarks(result))]
    parts += [Text(), *map(Text, last_lines(result, path))]
    return Group(*parts)


def headline(result: Result) -> str:
    """The verdict in one sentence."""
    evidence = result.evidence
    at = say(" at batch size {size}", size=evidence.batch_size) if evidence.batch_size else ""
    if evidence.interval is None:
        if result.recommendation == "keep the defaults":
            why = result.reason or Message("no configuration beat the baseline")
            return say("keep the defaults{at}: {why}", at=at, why=why)
        text = N_("not confirmed: {speedup} faster{at} in the search's own runs; {reason}")
        return say(text, speedup=times(evidence.speedup), at=at, reason=result.reason or "")
    floor = evidence.noise.floor
    text = N_("{low} to {high} with {coverage:.1%} confidence, {pairs} pairs of fresh runs")
    if floor is not None:
        text = N_(
            "{low} to {high} with {coverage:.1%} confidence, {pairs} pairs of fresh runs; "
            "equal runs differ by {ratios:.1%}"
        )
    interval = say(
        text,
        low=times(evidence.interval.low),
        high=times(evidence.interval.high),
        coverage=evidence.interval.coverage,
        pairs=evidence.pairs,
        ratios=floor.ratios if floor else 0.0,
    )
    speedup, effect = times(evidence.speedup), PRACTICAL_EFFECT
    return say(SENTENCES[result.verdict], speedup=speedup, at=at, seen=interval, effect=effect)


def why_lines(result: Result) -> Iterator[str]:
    """The smaller configuration with its own intervals, or that there is none."""
    if result.minimal is not None:
        text = N_(
            "minimal configuration, without {dropped}: {over_baseline} against the baseline, "
            "{over_best} against the best ({blocks} blocks of fresh runs)"
        )
        baseline, best = (
            with_interval(c.speedup, c.interval)
            for c in (result.minimal.over_baseline, result.minimal.over_winner)
        )
        blocks, dropped = result.minimal.over_baseline.pairs, ", ".join(result.minimal.dropped)
        yield say(text, dropped=dropped, over_baseline=baseline, over_best=best, blocks=blocks)
        configuration = describe(result.minimal.configuration)
        yield say("exported instead of the best: {configuration}", configuration=configuration)
    elif result.ablation and all(knob.verdict == "faster" for knob in result.ablation):
        yield say("every knob helps: nothing is left out")
    elif result.ablation:
        yield say("nothing is left out: no smaller configuration was shown to be as fast")


def code_lines(result: Result) -> Iterator[str]:
    """What the program's own code must do for it, and what there is to win without."""
    if not result.in_code:
        return
    text = N_("for the program's own code: {knobs}; as a module: {command}")
    module = command("export", result.study, "--format", "python")
    yield say(text, knobs=describe(result.in_code), command=module)
    other = result.without_code
    if other is None or not other.speedups:
        yield say("without it nothing was faster than the baseline")
        return
    text = N_("the best without it: {configuration}, {speedup} in the search")
    if other.fresh:
        text = N_("the best without it: {configuration}, {speedup} when measured again")
    speedup = times(median(other.speedups))
    yield say(text, configuration=describe(other.configuration), speedup=speedup)


def fixed_costs(result: Result) -> Iterator[str]:
    """What a call costs before its first sample, by a line through the curve."""
    lines = [("baseline", result.fixed_cost_baseline), ("best", result.fixed_cost_best)]
    for name, cost in lines:
        if cost is None:
            continue
        each = f"{cost.sample_ms:.3g}"
        if cost.sample_ms <= 0:
            text = N_(
                "fixed cost, {name}: {call:.3g} ms a call, none a sample that the curve shows"
            )
        elif cost.call_ms > 0:
            text = N_("fixed cost, {name}: {call:.3g} ms a call, then {each} ms a sample")
        else:
            text = N_("fixed cost, {name}: none that the curve shows, then {each} ms a sample")
        yield say(text, name=say(name), call=cost.call_ms, each=each)


def last_lines(result: Result, path: Path | None) -> Iterator[str]:
    """Files, and what to do next."""
    if path is None:
        yield say("to write it: {command}", command=command("export", result.study))
    else:
        yield say("written: {path}", path=path)
    if result.environment_variables:
        variables = " ".join(f"{n}={value}" for n, value in result.environment_variables.items())
        yield say("set before the program starts: {variables}", variables=variables)
    if result.recommendation == "confirm first":
        yield say("next: {command}", command=resume_command(result.study, "--confirm", "auto"))
    yield say("every trial: {command}", command=command("show", result.study))


def noise_lines(result: Result) -> Iterator[str]:
    """How it was measured, spread, smallest effect, disturbed runs: each with what to do."""
    evidence, noise = result.evidence, result.evidence.noise
    yield how_measured(noise)
    yield from rested(evidence)
    if noise.floor is not None:
        yield from floor_lines(noise.floor)
    elif noise.baseline_spread is not None:
        line = say(
            "noise: {count} runs of the baseline spread by {spread:.1%}",
            count=noise.baseline_runs,
            spread=noise.baseline_spread,
        )
        if noise.baseline_spread > NOISY_SPREAD:
            line += say("; a quieter machine, or --cpus with cores of one node, lowers it")
        yield line
    if evidence.interval and evidence.interval.smallest_effect:
        text = N_(
            "smallest speed-up that these {pairs} pairs show 4 times of 5: {effect}; "
            "for less, in about {time}: {command}"
        )
        if evidence.pair_s is None:  # a file of an earlier version
            text = N_(
                "smallest speed-up that these {pairs} pairs show 4 times of 5: {effect}; "
                "for less: {command}"
            )
        if evidence.interval.smallest_effect > 1 + TOO_BUSY:
            text = N_(
                "too busy a machine for an answer: these {pairs} pairs show nothing below "
                "{effect}; stop what else runs, then: {command}"
            )
        pairs, effect = evidence.pairs, times(evidence.interval.smallest_effect)
        more = resume_command(result.study, "--confirm", str(2 * pairs))
        time = duration(pairs * (evidence.pair_s or 0.0))
        yield say(text, pairs=pairs, effect=effect, command=more, time=time)
    if any(2 * side.unsteady >= side.runs for side in (evidence.baseline, evidence.best)):
        text = N_(
            "never settled: {baseline} of {baseline_runs} runs of the baseline, {best} of {runs} "
            "of the best: give more warm-up, such as --set warmup=200, or a quieter machine"
        )
        yield say(
            text,
            baseline=evidence.baseline.unsteady,
            baseline_runs=evidence.baseline.runs,
            best=evidence.best.unsteady,
            runs=evidence.best.runs,
        )
    if noise.runs:
        yield disturbed(noise)


def how_measured(noise: Noise) -> str:
    """In turns, in how many heats, or alone."""
    if not noise.in_turns:
        return say("measured alone")
    text = N_("measured in turns: {heats} heats of up to {size}, {turns} turns")
    return say(text, heats=noise.heats, size=noise.heat_size, turns=noise.turns)


def rested(evidence: Evidence) -> Iterator[str]:
    """How a call after a rest differs, on either side."""
    base, best = evidence.baseline, evidence.best
    if evidence.pause_ms and base.rested_ms is not None and best.rested_ms is not None:
        text = N_(
            "after a rest of {pause:g} ms a call takes {base:.4g} ms instead of {base_back:.4g} "
            "(baseline), {best:.4g} ms instead of {best_back:.4g} (best)"
        )
        if not evidence.tried:  # both are the baseline
            text = N_(
                "after a rest of {pause:g} ms a call takes {base:.4g} ms instead of {base_back:.4g}"
            )
        yield say(
            text,
            pause=evidence.pause_ms,
            base=base.rested_ms,
            base_back=base.latency_ms,
            best=best.rested_ms,
            best_back=best.latency_ms,
        )


def floor_lines(floor: Floor) -> Iterator[str]:
    """What the host moved by and what of it is left in ratios; what that leaves to be shown."""
    text = N_("the ratios of pairs scatter by {ratios:.1%}")
    if floor.host is not None:
        text = N_("the host moved by {host:.1%}, ratios by {ratios:.1%}")
    yield say(text, host=floor.host or 0.0, ratios=floor.ratios)
    if floor.too_busy:
        yield say(
            "too busy a machine for an answer: {pairs} pairs show nothing below 2x",
            pairs=floor.gains[-1].pairs,
        )
        return
    text = N_("{pairs} pairs {gain:.1%}")
    gains = ", ".join(say(text, pairs=look.pairs, gain=look.gain) for look in floor.gains)
    yield say("smallest gain that is shown here 4 times of 5: {gains}", gains=gains)


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
