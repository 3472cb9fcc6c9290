"""A study as tables and lines for the terminal. Returns renderables; prints nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .export import BestConfiguration, Figures, figures
from .launcher import without_traces
from .progress import describe
from .session import Finished
from .store import RecordedRun, StudyRecord
from .summary import Measured, Summary
from .worker.protocol import Outcome

SHOWN_LOG_LINES = 5
NOT_CONFIRMED = "from the search's own runs, not confirmed by fresh ones"


def closing(finished: Finished) -> RenderableType:
    """What a finished study ends with: baseline against best, curve, failures, files, next."""
    summary, best = finished.summary, finished.best
    name = shlex.quote(summary.study.name)
    parts: list[RenderableType] = [headline(summary, best), comparison(best)]
    parts.append(knob_table(summary, best))
    if len(summary.curve) > 1:
        parts += [curve(summary), *fixed_cost(summary)]
    parts += [Text(line) for line in remarks(summary)]
    parts.append(Text(f"written: {finished.path}"))
    parts.append(Text(f"next:    npu-tune show {name}"))
    return Group(*parts)


def headline(summary: Summary, best: BestConfiguration) -> Text:
    """The result in one sentence."""
    evidence = best.evidence
    unit = summary.objective.unit
    at = f" at batch size {evidence.batch_size}" if evidence.batch_size else ""
    if best.verdict == "keep the defaults":
        return Text(f"keep the defaults: no configuration beat the baseline{at}", style="bold")
    mine, base = _objective_values(evidence.best, evidence.baseline, summary)
    return Text(
        f"best {mine:.4g} {unit} against baseline {base:.4g} {unit}{at}: "
        f"{evidence.speedup:.2f}x ({NOT_CONFIRMED})",
        style="bold",
    )


def _objective_values(best: Figures, baseline: Figures, summary: Summary) -> tuple[float, float]:
    if summary.objective.name == "latency":
        return best.latency_ms, baseline.latency_ms
    return best.throughput_per_s, baseline.throughput_per_s


def comparison(best: BestConfiguration) -> Table:
    """Baseline and best side by side."""
    table = _table("", "baseline", "best")
    left, right = best.evidence.baseline, best.evidence.best
    rows = [
        ("call latency, median", f"{left.latency_ms:.4g} ms", f"{right.latency_ms:.4g} ms"),
        ("90th percentile", _ms(left.p90_ms), _ms(right.p90_ms)),
        ("99th percentile", _ms(left.p99_ms), _ms(right.p99_ms)),
        ("throughput", f"{left.throughput_per_s:.4g}/s", f"{right.throughput_per_s:.4g}/s"),
        ("dispatch share", f"{left.dispatch_share:.0%}", f"{right.dispatch_share:.0%}"),
        ("first call", f"{left.first_call_s:.3g} s", f"{right.first_call_s:.3g} s"),
        ("runs", str(left.runs), str(right.runs)),
    ]
    for row in rows:
        table.add_row(*row)
    return table


def knob_table(summary: Summary, best: BestConfiguration) -> RenderableType:
    """The knobs of the best configuration: value, read-back, what each does."""
    if not best.configuration:
        return Text("")
    table = _table("knob", "value", "read back", "what it does")
    for name, value in best.configuration.items():
        knob = summary.space.knob(name)
        table.add_row(name, str(value), best.read_back.get(name, ""), knob.why if knob else "")
    return table


def curve(summary: Summary) -> Table:
    """Baseline and best at each batch size."""
    table = _table("batch size", "baseline", "best", "speed-up", "per second", "configuration")
    for point in summary.curve:
        best, baseline = point.best, point.baseline
        speedup = summary.speedup(best) if best else None
        table.add_row(
            str(point.batch_size),
            _latency(baseline),
            _latency(best),
            "" if speedup is None else f"{speedup:.2f}x",
            f"{figures(best).throughput_per_s:.4g}" if best else "",
            describe({**best.configuration, "batch_size": 1}) if best else "",
        )
    return table


def fixed_cost(summary: Summary) -> Iterator[Text]:
    """What a call costs before its first sample, by a line through the curve."""
    for name, of_baseline in (("baseline", True), ("best", False)):
        line = summary.fixed_cost_ms(of_baseline)
        if line:
            fixed_ms, each_ms = line
            text = f"{fixed_ms:.3g} ms a call" if fixed_ms > 0 else "none that the curve shows"
            yield Text(f"fixed cost, {name}: {text}, then {each_ms:.3g} ms a sample")


def remarks(summary: Summary) -> Iterator[str]:
    """Failures by outcome, and what could not be checked."""
    if summary.failures:
        counted = ", ".join(f"{count} {outcome}" for outcome, count in summary.failures.items())
        yield f"failed runs: {counted}"
    baseline = summary.baseline
    output = baseline.runs[0].run.result.output if baseline else None
    if output is not None and output.status == "impossible":
        yield f"warning: outputs could not be checked: {output.reason}"


def studies(records: list[StudyRecord], trials_done: dict[str, int]) -> RenderableType:
    """`npu-tune list`."""
    if not records:
        return Text("no studies yet; begin with: npu-tune --model mobilenet_v2")
    table = _table("study", "model", "backend", "objective", "trials", "state", "begun (UTC)")
    for record in records:
        setup = record.setup
        table.add_row(
            record.name,
            setup["model"],
            record.space["backend"],
            setup["objective"],
            f"{trials_done[record.name]} of {setup['trials']}",
            "finished" if record.finished_at else "open",
            f"{record.created_at:%Y-%m-%d %H:%M}",
        )
    return table


def study(summary: Summary) -> RenderableType:
    """`npu-tune show STUDY`: environment, every configuration, failures."""
    facts = summary.study.facts
    shown = {name: value for name, value in facts["fingerprint"].items() if value not in ("", {})}
    environment = _table("environment", "")
    environment.add_row("model", f"{summary.study.setup['model']} {' '.join(facts['inputs'])}")
    for name, value in shown.items():
        environment.add_row(name, str(value))
    table = _table(
        "trial", "batch", "outcome", "latency", "p90", "p99", "dispatch", "first call", "speed-up",
        "configuration",
    )  # fmt: skip
    for one in sorted(summary.measured, key=lambda m: _rank(m)):
        table.add_row(*_configuration_row(summary, one))
    parts: list[RenderableType] = [environment, table, *map(Text, remarks(summary))]
    parts += [failure(summary, r) for one in summary.measured for r in one.runs if _failed(r)]
    name = shlex.quote(summary.study.name)
    parts.append(Text(f"one trial in full: npu-tune show {name} --trial N"))
    return Group(*parts)


def failure(summary: Summary, recorded: RecordedRun) -> Text:
    """A failed run: what became of it, the end of its log, the command that repeats it."""
    result = recorded.run.result
    name = shlex.quote(summary.study.name)
    said = without_traces(recorded.run.log_tail).splitlines()[-SHOWN_LOG_LINES:]
    lines = [
        f"trial {recorded.trial} {result.outcome.value}: {result.message}",
        f"    with {describe(recorded.configuration)}",
        *(f"    {line}" for line in said if line not in result.message),
        f"    repeat it: npu-tune rerun {name} --trial {recorded.trial}",
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
        one.outcome.value,
        f"{seen.latency_ms:.4g} ms",
        _ms(seen.p90_ms),
        _ms(seen.p99_ms),
        f"{seen.dispatch_share:.0%}",
        f"{seen.first_call_s:.3g} s",
        "" if speedup is None else f"{speedup:.2f}x",
        text,
    ]


def trial(summary: Summary, runs: list[RecordedRun]) -> RenderableType:
    """`npu-tune show STUDY --trial N`: each of its runs in full."""
    parts: list[RenderableType] = []
    for recorded in runs:
        parts += _run(summary, recorded)
    return Group(*parts)


def _run(summary: Summary, recorded: RecordedRun) -> Iterator[RenderableType]:
    run, result = recorded.run, recorded.run.result
    table = _table(f"trial {recorded.trial}, {run.spec.role.value} run", "")
    table.add_row("configuration", describe(recorded.configuration))
    table.add_row("outcome", f"{result.outcome.value} {result.message}".strip())
    if result.measurement:
        latency_ns = result.measurement.latency_ns
        middle = sorted(latency_ns)[len(latency_ns) // 2] / 1e6
        table.add_row("latency", f"{middle:.4g} ms, {len(latency_ns)} samples")
        table.add_row(
            "blocks",
            f"{len(result.measurement.block_ns)} of {result.measurement.calls_per_block} calls",
        )
    if result.output:
        error = result.output.relative_error
        shown = "" if error is None else f", relative error {error:.2g}"
        table.add_row("output", f"{result.output.status}{shown} {result.output.reason}".strip())
    phases = ", ".join(f"{name} {seconds:.2f}" for name, seconds in result.phases_s.items())
    table.add_row("phases, s", f"{phases}; wall {run.wall_ns / 1e9:.2f}")
    for name, back in result.read_back.items():
        doubt = "" if back.certain else ", unverified"
        table.add_row(f"read back: {name}", f"{back.value} ({back.how}{doubt})")
    yield table
    if result.outcome != Outcome.OK and run.log_tail:
        yield Text("end of its log:\n" + without_traces(run.log_tail))
    name = shlex.quote(summary.study.name)
    yield Text(f"repeat it: npu-tune rerun {name} --trial {recorded.trial}")


def _latency(one: Measured | None) -> str:
    if one is None:
        return ""
    return one.outcome.value if one.latency_ms is None else f"{one.latency_ms:.4g} ms"


def _ms(value: float | None) -> str:
    return "too few samples" if value is None else f"{value:.4g} ms"


def _table(*headers: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold")
    return table
