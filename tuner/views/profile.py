"""`npu-tune profile` on the terminal: what bounds a call, its times, its operators, the files."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from ..diagnose.bound import EVENTS, Diagnosis, Pointer, Times
from ..diagnose.profile import Profile
from ..diagnose.profile_files import Operator
from ..language import N_, say, with_translation
from ..text import describe, labelled
from .cells import milliseconds, new_table

SHOWN_OPERATORS = 8
DISTURBED = 3.0  # a profiler alone does not slow a call so much
WRONG_BY = 1.1  # an un-synchronised time that is off by less is not called wrong
NOTABLE_SHARE = 0.01
SENTENCES = {
    "dispatch-bound": N_(
        "dispatch-bound: the device idles {share:.0%} of a call; feeding it without "
        "gaps would make it {at_most:.3g}x faster at most"
    ),
    "device-bound": N_(
        "device-bound: the device works {rest:.0%} of a call; only faster kernels or "
        "fewer of them help"
    ),
    "copy-bound": N_(
        "copy-bound: {share:.0%} of the time goes into copies; without them it would be "
        "{at_most:.3g}x faster at most"
    ),
    "overhead-bound": N_(
        "overhead-bound: {share:.0%} of a call lies outside of operators; without "
        "that it would be {at_most:.3g}x faster at most"
    ),
    "operator-bound": N_("operator-bound: {share:.0%} of a call is spent in operators"),
}
UNKNOWN = {  # where neither the profiler nor events told how long the device works
    "dispatch-bound": N_("dispatch-bound: the call returns when nearly all of its time has passed"),
    "device-bound": N_("device-bound, it seems: the call returns long before its work is done"),
    "operator-bound": N_("what bounds a call is not known: the profiler told nothing"),
}


def profile(result: Profile) -> RenderableType:
    """The whole report."""
    return Group(body(result), Text(), *map(Text, files(result)))


def body(result: Profile) -> RenderableType:
    """The report without its files."""
    head = labelled(sentence(result.diagnosis), result.emulated_cann)
    parts: list[RenderableType] = [Text(head, style="bold")]
    parts += [*map(Text, pointers(result.diagnosis.pointers)), Text()]
    configuration = describe(result.configuration)
    parts += [Text(say("trial {n}: {configuration}", n=result.trial, configuration=configuration))]
    parts += [times(result.times, result.backend)]
    calls = result.traced_calls or 1
    if result.operators:
        parts += [Text(), operators(say("operator on the device"), result.operators, calls)]
    if result.host_operators:
        parts += [Text(), operators(say("operator on the host"), result.host_operators, calls)]
    return Group(*parts, Text(), *map(Text, remarks(result)))


def sentence(diagnosis: Diagnosis) -> str:
    """What bounds a call, in one sentence."""
    if not diagnosis.source:
        return say(UNKNOWN[diagnosis.kind])
    at_most, rest = diagnosis.at_most or 1.0, 1 - diagnosis.share
    return say(SENTENCES[diagnosis.kind], share=diagnosis.share, rest=rest, at_most=at_most)


def pointers(knobs: Sequence[Pointer]) -> Iterator[str]:
    """Which knobs that points to, one a line."""
    for knob in knobs:
        why = with_translation(knob.why, knob.why_zh)
        yield say("try {setting}: {why}", setting=knob.setting, why=why)


def times(call: Times, backend: str) -> Table:
    """True time, what a careless timer shows, the device's own, copies, under the profiler."""
    table = new_table(say("time of a call"), "", "")
    table.columns[0].no_wrap = True
    table.add_row(say("synchronised"), milliseconds(call.latency_ms), say("the true one"))
    if backend == "npu":
        short = milliseconds(call.unsynchronised_ms)
        table.add_row(say("without synchronising"), short, unsynchronised(call))
    if call.device_ms is not None:
        source = say("device events") if call.device_source == EVENTS else call.device_source
        bound = "" if call.device_certain else say("; at most: the call waits for the device")
        table.add_row(say("device works"), milliseconds(call.device_ms), source + bound)
    if call.copy_in_ms is not None:
        table.add_row(say("copy in"), milliseconds(call.copy_in_ms), say("not in the call"))
        table.add_row(say("copy out"), milliseconds(call.copy_out_ms), say("not in the call"))
    if call.traced_ms is not None:
        factor = call.traced_ms / call.latency_ms
        slower = say("{factor:.2f}x as long", factor=factor)
        if factor > DISTURBED:
            slower += say("; was something else running?")
        table.add_row(say("under the profiler"), milliseconds(call.traced_ms), slower)
    return table


def unsynchronised(call: Times) -> str:
    """How far a timer without a synchronise would be off."""
    factor = call.latency_ms / max(call.unsynchronised_ms, 1e-6)
    if factor < WRONG_BY:
        return say("about right here: the call returns when its work is done")
    return say("wrong by {factor:.1f}x: the call returns before its work is done", factor=factor)


def operators(header: str, kinds: Sequence[Operator], calls: int) -> Table:
    """The longest operators, in one call; the rest in one line."""
    table = new_table(header, say("in a call"), say("time"), say("share"))
    for column in table.columns[1:]:
        column.no_wrap = True
    for kind in kinds[:SHOWN_OPERATORS]:
        table.add_row(
            kind.name,
            f"{kind.count / calls:.4g}",
            milliseconds(kind.total_us / 1e3 / calls),
            f"{kind.share:.0%}",
        )
    rest = kinds[SHOWN_OPERATORS:]
    if rest:
        total_us, count = sum(o.total_us for o in rest), sum(o.count for o in rest)
        share = f"{sum(o.share for o in rest):.0%}"
        name = say("{count} others", count=len(rest))
        table.add_row(
            name, f"{count / calls:.4g}", milliseconds(total_us / 1e3 / calls), share, style="dim"
        )
    return table


def remarks(result: Profile) -> Iterator[str]:
    """Shares that explain, and what could not be found out."""
    yield from on_the_device(result) if result.backend == "npu" else on_the_host(result)
    if result.device_error:
        yield say("the device's time could not be measured: {why}", why=result.device_error)
    if result.missing_activities:
        names = ", ".join(result.missing_activities)
        yield say(
            "the trace lacks {names}: with it the profiler wrote nothing; is there an msprof, and "
            "does no other profiler hold the device?",
            names=names,
        )
    if result.profiler_error:
        yield say("the profiler failed: {why}", why=result.profiler_error)


def on_the_device(result: Profile) -> Iterator[str]:
    """Idling in the trace, conversions, what runs where it is slow."""
    shares = result.shares
    if shares.idle_in_trace is not None:
        yield say(
            "in the trace the device idles {share:.0%} ({source}); the profiler slows the host",
            share=shares.idle_in_trace,
            source=shares.idle_source,
        )
    if shares.conversions > NOTABLE_SHARE:
        yield say(
            "format and type conversions: {share:.0%} of kernel time", share=shares.conversions
        )
    if result.on_ai_cpu:
        yield say(
            "on the device's AI CPU, which is slow: {names}: {share:.0%} of kernel time",
            names=", ".join(result.on_ai_cpu),
            share=shares.ai_cpu,
        )
    if result.fallbacks:
        names = ", ".join(result.fallbacks)
        yield say("silently run on the CPU, copied there and back: {names}", names=names)
    else:
        yield say("no fallback to the CPU was reported")


def on_the_host(result: Profile) -> Iterator[str]:
    """Copies, what lies outside of operators, page faults."""
    shares = result.shares
    if shares.outside is not None:
        yield say(
            "of a call under the profiler: copies and reorders {layout:.0%}, "
            "outside of operators {outside:.0%}",
            layout=shares.layout,
            outside=shares.outside,
        )
    yield say(
        "page faults: {faults:.0f} a call; {share:.0%} of the processor time is the kernel's",
        faults=result.faults_per_call,
        share=shares.kernel,
    )


def files(result: Profile) -> Iterator[str]:
    """Where the trace lies, and what to open it with."""
    folder = shlex.quote(result.folder)
    yield say("written: {path}", path=result.folder)
    if result.backend == "npu":
        yield say("open it in MindStudio Insight; trace_view.json also at https://ui.perfetto.dev")
        yield say(
            "the vendor's advice (pip install 'npu-tune[profile]'): "
            "msprof-analyze advisor all -d {folder}",
            folder=folder,
        )
    else:
        yield say("open it at https://ui.perfetto.dev")
