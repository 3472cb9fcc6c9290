"""Stored studies as tables and lines for the terminal. Returns renderables; prints nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from ..evidence.figures import Figures, figures
from ..evidence.measured import Measured
from ..evidence.noise import page_faults_per_call
from ..evidence.objectives import latency_by_turn
from ..evidence.stats import median
from ..evidence.steady import warmup_needed
from ..evidence.summary import Summary
from ..language import N_, say
from ..policy import BATCH_SIZE
from ..runs.log import without_traces
from ..runs.records import RecordedRun, StudyRecord
from ..study.notes import of_changes, of_left_out, of_subnormal
from ..text import EMULATED_CANN, command, describe, labelled
from ..worker.protocol import Measurement, Outcome
from .cells import Rows, milliseconds, table, times

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
        return Text(
            say("no studies yet; begin with: {command}", command=command("--model", "mobilenet_v2"))
        )
    headers = (
        say("study"), say("model"), say("backend"), say("objective"), say("trials"), say("state"),
        say("begun (UTC)"),
    )  # fmt: skip
    rows = [
        (
            record.name,
            record.setup["model"],
            labelled(record.space["backend"], is_emulated(record)),
            record.setup["objective"],
            _progress(trials_done.get(record.name, 0), record.setup),
            say("finished") if record.finished_at else say("open"),
            f"{record.created_at:%Y-%m-%d %H:%M}",
        )
        for record in records
    ]
    return table(Rows(headers, rows))


def is_emulated(record: StudyRecord) -> bool:
    """Are its figures no device's?"""
    return bool(record.facts.fingerprint.get("emulated_cann"))


def study(summary: Summary, width: int) -> RenderableType:
    """`npu-tune show STUDY`: environment, every configuration, failures."""
    facts = summary.study.facts
    model = f"{summary.options.model} {' '.join(facts.probe.inputs)}"
    versions = [(n, str(v)) for n, v in facts.fingerprint.items() if v not in ("", {})]
    parts: list[RenderableType] = [
        table(Rows((say("environment"), ""), [(say("model"), model), *versions])),
        Text(),
    ]
    if is_emulated(summary.study):
        parts.append(Text(say(EMULATED_CANN)))
    said = [*of_subnormal(facts.probe), *of_changes(facts), *of_left_out(summary.space)]
    parts += map(Text, said)
    parts += [table(configurations(summary, width)), Text()]
    runs = [r for measured in summary.measured for r in measured.runs]
    parts += [failure(summary, r) for r in [*runs, *summary.confirmation_runs] if not r.ok]
    one = command("show", summary.study.name, "--trial", "N")
    parts.append(Text(say("one trial in full: {command}", command=one)))
    return Group(*parts)


def configurations(summary: Summary, width: int) -> Rows:
    """Every configuration with its figures, the main ones only where there is no room for more."""
    main = [say("trial"), say("batch"), say("outcome"), say("latency")]
    more = [say("p90"), say("p99"), say("dispatch"), say("first call")]
    rows = [_configuration_row(summary, m) for m in sorted(summary.measured, key=_rank)]
    if width < FULL_WIDTH:
        rows, more = [[*row[:4], *row[-2:]] for row in rows], []
    return Rows((*main, *more, say("speed-up"), say("configuration")), rows)


def failure(summary: Summary, recorded: RecordedRun) -> Text:
    """A failed run: what became of it, the end of its log, the command that repeats it."""
    message = recorded.run.result.message
    log = without_traces(recorded.run.log_tail).splitlines()[-SHOWN_LOG_LINES:]
    lines = [
        f"{say('trial')} {recorded.trial} {recorded.outcome.value}: {message}",
        f"    {describe(recorded.configuration)}",
        *(f"    {line}" for line in log if line not in message),
        "    " + repeat_it(summary, recorded),
    ]
    return Text("\n".join(lines))


def repeat_it(summary: Summary, recorded: RecordedRun) -> str:
    """The command that repeats a run."""
    again = command("rerun", summary.study.name, "--trial", str(recorded.trial))
    return say("repeat it: {command}", command=again)


def _rank(measured: Measured) -> tuple[int, bool, float]:
    return measured.batch_size or 0, measured.outcome != Outcome.OK, measured.latency_ms or 0.0


def _configuration_row(summary: Summary, measured: Measured) -> list[str]:
    trials = ",".join(map(str, measured.trials))
    batch = "" if measured.batch_size is None else str(measured.batch_size)
    configuration = describe({**measured.configuration, BATCH_SIZE: 1})
    if not measured.measurements():
        return [trials, batch, measured.outcome.value, "", "", "", "", "", "", configuration]
    medians, speedup = figures(measured), summary.speedup(measured)
    return [
        trials,
        batch,
        measured.outcome.value + marked(medians),
        milliseconds(medians.latency_ms),
        milliseconds(medians.p90_ms),
        milliseconds(medians.p99_ms),
        f"{medians.dispatch_share:.0%}",
        f"{medians.first_call_s:.3g} s",
        "" if speedup is None else times(speedup),
        configuration,
    ]


def marked(medians: Figures) -> str:
    """A mark where runs never settled."""
    return say(", {count} unsteady", count=medians.unsteady) if medians.unsteady else ""


def trial(summary: Summary, runs: list[RecordedRun]) -> RenderableType:
    """`npu-tune show STUDY --trial N`: each of its runs in full."""
    parts: list[RenderableType] = []
    for recorded in runs:
        parts += _run(summary, recorded)
    return Group(*parts)


def _run(summary: Summary, recorded: RecordedRun) -> Iterator[RenderableType]:
    headers = (say("trial"), f"{recorded.trial} ({recorded.role.value})")
    yield table(Rows(headers, [*_outcome(recorded), *_times(recorded), *_checks(recorded)]))
    if not recorded.ok and recorded.run.log_tail:
        yield Text(say("end of its log:") + "\n" + without_traces(recorded.run.log_tail))
    yield Text(repeat_it(summary, recorded))


def _outcome(recorded: RecordedRun) -> Iterator[tuple[str, str]]:
    yield say("configuration"), describe(recorded.configuration)
    yield say("outcome"), f"{recorded.outcome.value} {recorded.run.result.message}".strip()


def _times(recorded: RecordedRun) -> Iterator[tuple[str, str]]:
    measurement = recorded.measurement
    if measurement is None:
        return
    ms, count = median(measurement.latency_ns) / 1e6, len(measurement.latency_ns)
    yield say("latency"), say("{ms:.4g} ms, {count} samples", ms=ms, count=count)
    needed = warmup_needed(measurement)
    settled = "" if needed is None else say("after {calls} calls", calls=needed)
    yield say("steady"), settled or say("never: more warm-up, or a quieter machine")
    faults = page_faults_per_call(recorded.run.result)
    yield say("page faults a call"), "" if faults is None else f"{faults:.1f}"
    count, calls = len(measurement.block_ns), measurement.calls_per_block
    yield say("blocks"), say("{count} of {calls} calls", count=count, calls=calls)
    yield from _turns(recorded, measurement)


def _turns(recorded: RecordedRun, measurement: Measurement) -> Iterator[tuple[str, str]]:
    """How it was measured in turns; nothing for a run alone."""
    if not measurement.turns:
        return
    count, heat = len(measurement.turns), recorded.run.spec.heat
    yield say("turns"), say("{count}, in heat {heat}", count=count, heat=heat)
    medians = latency_by_turn(measurement).values()
    if medians:
        yield say("median of a turn"), f"{min(medians):.4g} … {max(medians):.4g} ms"
    waits_s = [wait_ns / 1e9 for wait_ns in measurement.turn_wait_ns]
    if waits_s:
        text = N_("{most:.3g} s in a turn at most, {all:.3g} s in all")
        yield say("waited for a processor"), say(text, most=max(waits_s), all=sum(waits_s))


def _checks(recorded: RecordedRun) -> Iterator[tuple[str, str]]:
    """Output, phases, read-backs."""
    result = recorded.run.result
    if result.output:
        error = result.output.relative_error
        error_text = "" if error is None else say(", relative error {error:.2g}", error=error)
        yield say("output"), f"{result.output.status}{error_text} {result.output.reason}".strip()
    phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in result.phases_s.items())
    yield say("phases, s"), f"{phases}; wall {recorded.run.wall_ns / 1e9:.2f}"
    for name, back in result.read_back.items():
        doubt = "" if back.certain else say(" (unverified)")
        yield f"{say('read back')}: {name}", f"{back.value} ({back.how}){doubt}"
