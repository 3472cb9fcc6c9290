"""Stored studies as tables and lines for the terminal. Returns renderables; prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..evidence.figures import Figures, figures
from ..evidence.measured import Measured
from ..evidence.noise import page_faults_per_call
from ..evidence.stats import median
from ..evidence.steady import warmup_needed
from ..evidence.summary import Summary
from ..language import say
from ..runs.log import without_traces
from ..runs.records import RecordedRun, StudyRecord
from ..study.notes import of_left_out
from ..text import describe
from ..worker.protocol import Outcome
from .cells import milliseconds, new_table, times

SHOWN_LOG_LINES = 5
FULL_WIDTH = 130  # columns; below it the configurations would fold into narrow strips


def _progress(done: int, setup: dict[str, Any]) -> str:
    budget_s = setup.get("budget_s")
    if budget_s is None:
        return say("{done} of {total}", done=done, total=setup["trials"])
    return say("{done} in {minutes:g} min", done=done, minutes=budget_s / 60)


def studies(records: list[StudyRecord], trials_done: dict[str, int]) -> RenderableType:
    """`npu-tune list`."""
    if not records:
        return Text(say("no studies yet; begin with: npu-tune --model mobilenet_v2"))
    table = new_table(
        say("study"),
        say("model"),
        say("backend"),
        say("objective"),
        say("trials"),
        say("state"),
        say("begun (UTC)"),
    )
    for record in records:
        setup = record.setup
        table.add_row(
            record.name,
            setup["model"],
            record.space["backend"] + emulated(record),
            setup["objective"],
            _progress(trials_done.get(record.name, 0), setup),
            say("finished") if record.finished_at else say("open"),
            f"{record.created_at:%Y-%m-%d %H:%M}",
        )
    return table


def emulated(record: StudyRecord) -> str:
    """A label for figures that are no device's."""
    return " (emulated CANN)" if record.facts.fingerprint.get("emulated_cann") else ""


def study(summary: Summary, width: int) -> RenderableType:
    """`npu-tune show STUDY`: environment, every configuration, failures."""
    facts = summary.study.facts
    shown = {name: value for name, value in facts.fingerprint.items() if value not in ("", {})}
    environment = new_table(say("environment"), "")
    environment.add_row(say("model"), f"{summary.options.model} {' '.join(facts.probe.inputs)}")
    for name, value in shown.items():
        environment.add_row(name, str(value))
    table = configurations(summary, width)
    parts: list[RenderableType] = [environment, Text(), table, Text()]
    parts[2:2] = map(Text, of_left_out(summary.space))
    if emulated(summary.study):
        parts.insert(2, Text(say("emulated CANN: no figure below is a device's")))
    runs = [r for one in summary.measured for r in one.runs]
    parts += [failure(summary, r) for r in [*runs, *summary.confirmation_runs] if _failed(r)]
    name = summary.study.name
    parts.append(Text(say("one trial in full: npu-tune show {name} --trial N", name=name)))
    return Group(*parts)


def configurations(summary: Summary, width: int) -> RenderableType:
    """Every configuration with its figures, the main ones only where there is no room for more."""
    main = [say("trial"), say("batch"), say("outcome"), say("latency")]
    more = [say("p90"), say("p99"), say("dispatch"), say("first call")]
    rows = [_configuration_row(summary, one) for one in sorted(summary.measured, key=_rank)]
    if width < FULL_WIDTH:
        rows, more = [[*row[:4], *row[-2:]] for row in rows], []
    table = new_table(*main, *more, say("speed-up"), say("configuration"))
    for row in rows:
        table.add_row(*row)
    return table


def failure(summary: Summary, recorded: RecordedRun) -> Text:
    """A failed run: what became of it, the end of its log, the command that repeats it."""
    result = recorded.run.result
    name = summary.study.name
    said = without_traces(recorded.run.log_tail).splitlines()[-SHOWN_LOG_LINES:]
    lines = [
        f"{say('trial')} {recorded.trial} {result.outcome.value}: {result.message}",
        f"    {describe(recorded.configuration)}",
        *(f"    {line}" for line in said if line not in result.message),
        "    " + say("repeat it: npu-tune rerun {name} --trial {n}", name=name, n=recorded.trial),
    ]
    return Text("\n".join(lines))


def _failed(recorded: RecordedRun) -> bool:
    return recorded.run.result.outcome != Outcome.OK


def _rank(one: Measured) -> tuple[int, bool, float]:
    return one.batch_size or 0, one.outcome != Outcome.OK, one.latency_ms or 0.0


def _configuration_row(summary: Summary, one: Measured) -> list[str]:
    trials = ",".join(map(str, one.trials))
    batch = "" if one.batch_size is None else str(one.batch_size)
    text = describe({**one.configuration, "batch_size": 1})
    if not one.measurements():
        return [trials, batch, one.outcome.value, "", "", "", "", "", "", text]
    seen, speedup = figures(one), summary.speedup(one)
    return [
        trials,
        batch,
        one.outcome.value + marked(seen),
        f"{seen.latency_ms:.4g} ms",
        milliseconds(seen.p90_ms),
        milliseconds(seen.p99_ms),
        f"{seen.dispatch_share:.0%}",
        f"{seen.first_call_s:.3g} s",
        "" if speedup is None else times(speedup),
        text,
    ]


def marked(seen: Figures) -> str:
    """A mark where runs never settled."""
    return say(", {count} unsteady", count=seen.unsteady) if seen.unsteady else ""


def trial(summary: Summary, runs: list[RecordedRun]) -> RenderableType:
    """`npu-tune show STUDY --trial N`: each of its runs in full."""
    parts: list[RenderableType] = []
    for recorded in runs:
        parts += _run(summary, recorded)
    return Group(*parts)


def _run(summary: Summary, recorded: RecordedRun) -> Iterator[RenderableType]:
    run, result = recorded.run, recorded.run.result
    table = new_table(say("trial"), f"{recorded.trial} ({run.spec.role.value})")
    table.add_row(say("configuration"), describe(recorded.configuration))
    table.add_row(say("outcome"), f"{result.outcome.value} {result.message}".strip())
    if result.measurement:
        latency_ns = result.measurement.latency_ns
        middle = median(latency_ns) / 1e6
        count, calls = len(result.measurement.block_ns), result.measurement.calls_per_block
        seen = say("{ms:.4g} ms, {count} samples", ms=middle, count=len(latency_ns))
        table.add_row(say("latency"), seen)
        needed = warmup_needed(result.measurement)
        settled = "" if needed is None else say("after {calls} calls", calls=needed)
        table.add_row(say("steady"), settled or say("never: more warm-up, or a quieter machine"))
        faults = page_faults_per_call(result)
        table.add_row(say("page faults a call"), "" if faults is None else f"{faults:.1f}")
        table.add_row(say("blocks"), say("{count} of {calls} calls", count=count, calls=calls))
    if result.output:
        error = result.output.relative_error
        shown = "" if error is None else say(", relative error {error:.2g}", error=error)
        table.add_row(
            say("output"), f"{result.output.status}{shown} {result.output.reason}".strip()
        )
    phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in result.phases_s.items())
    table.add_row(say("phases, s"), f"{phases}; wall {run.wall_ns / 1e9:.2f}")
    for name, back in result.read_back.items():
        doubt = "" if back.certain else say(" (unverified)")
        table.add_row(f"{say('read back')}: {name}", f"{back.value} ({back.how}){doubt}")
    yield table
    if result.outcome != Outcome.OK and run.log_tail:
        yield Text(say("end of its log:") + "\n" + without_traces(run.log_tail))
    name = summary.study.name
    yield Text(say("repeat it: npu-tune rerun {name} --trial {n}", name=name, n=recorded.trial))
