"""`npu-tune profile`: one configuration of a study under the profiler, and what its files say."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ..deploy.compare import best
from ..errors import StudyConflictError, TunerError, UnfitEnvironmentError, UsageError
from ..evidence.stats import median
from ..evidence.summary import Summary
from ..runs.records import RecordedRun, Run
from ..runs.store import Store
from ..space import file
from ..space.model import Configuration
from ..study import repeat, stored
from ..text import command
from ..worker.facts import ProfileFacts
from ..worker.protocol import MeasurementRule, Outcome, Role, TrialSpec
from . import profile_files
from .bound import (
    EVENTS,
    Diagnosis,
    Kind,
    Pointer,
    Shares,
    Times,
    diagnose_cpu,
    diagnose_device,
    needs,
    pointers,
)
from .profile_files import Kernels, Operator

MIN_DEADLINE_S = 600.0  # CANN's timeline is parsed at the end, which takes tens of seconds
FEW_SAMPLES = MeasurementRule(min_samples=20, min_time_s=0.5, max_time_s=5.0)
LAYOUT_OPERATORS = (
    "aten::copy_", "aten::contiguous", "aten::clone", "aten::to", "aten::_to_copy",
    "aten::to_mkldnn", "aten::to_dense",
)  # fmt: skip


@dataclass(frozen=True)
class Profile:
    """Where the time of a call goes. Times in ms are medians of one call.

    operators: of the device, where its files are there; host_operators: of the host, own time.
    fallbacks: operators that torch_npu ran on the CPU. faults_per_call: minor page faults of the
    process. folder: where the trace lies. profiler_error: why there is none. missing_activities:
    what the trace lacks, because the profiler wrote nothing with it.
    """

    study: str
    trial: int
    backend: str
    emulated_cann: bool
    configuration: Configuration
    diagnosis: Diagnosis
    times: Times
    shares: Shares
    operators: tuple[Operator, ...]
    host_operators: tuple[Operator, ...]
    traced_calls: int
    fallbacks: tuple[str, ...]
    on_ai_cpu: tuple[str, ...]
    faults_per_call: float
    device_error: str
    profiler_error: str
    missing_activities: tuple[str, ...]
    folder: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def choose(summary: Summary, baseline: bool) -> RecordedRun:
    """The last run of the baseline, else of the configuration that is to be applied.

    Raises StudyConflictError when nothing was measured yet.
    """
    if baseline and summary.baseline is None:
        raise StudyConflictError(
            f"study {summary.study.name!r} has no measured baseline: profile one with --trial"
        )
    wanted = summary.identity(summary.space.baseline() if baseline else best(summary))
    searched = [r for measured in summary.measured for r in measured.runs]
    runs = [*searched, *summary.confirmation_runs]
    return [r for r in runs if summary.identity(r.configuration) == wanted][-1]


def profile(
    store: Store,
    name: str,
    recorded: RecordedRun,
    where: Mapping[str, Any],
    output: Path,
    on_wait: Callable[[str], None] | None = None,
) -> Profile:
    """Repeat a recorded run under the profiler; the files end in `output`.

    where: as in `repeat.elsewhere`. on_wait: is told when a study holds the device; None: fail
    instead of waiting.

    Raises a TunerError: no such study, an unfit interpreter, a run that failed.
    """
    summary = stored.load(store, name)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"-o {output}: {error.strerror}: name a folder to write to") from error
    if not os.access(output, os.W_OK | os.X_OK):
        raise UsageError(f"-o {output}: cannot be written to: name another folder")
    record = repeat.elsewhere(summary.study, where)
    with repeat.prepared(record, recorded, on_wait) as (launcher, spec):
        # torch_npu takes a path of plain characters only: it writes here, then it is moved.
        written = Path(tempfile.mkdtemp(prefix="profile-", dir=launcher.folder.resolve()))
        run = launcher.run(_spec(spec, written))
        _require_ok(run, name, recorded.trial)
        moved = _move(written, output)
    return profile_of(summary, recorded, run, moved, output)


def _spec(spec: TrialSpec, folder: Path) -> TrialSpec:
    return replace(
        spec,
        role=Role.PROFILE,
        rule=replace(FEW_SAMPLES, warmup_calls=spec.rule.warmup_calls),
        deadline_s=max(MIN_DEADLINE_S, spec.deadline_s),
        profile_folder=str(folder),
    )


def _require_ok(run: Run, name: str, trial: int) -> None:
    outcome, message = run.result.outcome, run.result.message
    if outcome == Outcome.ENVIRONMENT_ERROR:
        raise UnfitEnvironmentError(message)
    if outcome != Outcome.OK:
        again = command("rerun", name, "--trial", str(trial))
        raise TunerError(
            f"trial {trial} ended as {outcome.value} when it was to be profiled: {message}; see "
            f"its log with: {again}"
        )


def _move(written: Path, output: Path) -> Path | None:
    """What the profiler wrote, moved to the user's folder; its parsed files, where there are any.

    Names hold the time, so that an older profile there stays.
    """
    parsed = profile_files.output_folder(written)
    for entry in sorted(written.iterdir()):
        shutil.move(str(entry), str(output / entry.name))
    return None if parsed is None else output / parsed.relative_to(written)


def profile_of(
    summary: Summary, recorded: RecordedRun, run: Run, parsed: Path | None, output: Path
) -> Profile:
    """The run's facts and the profiler's files, put together and diagnosed."""
    facts = run.result.profile
    assert facts is not None
    kernels = profile_files.kernels(profile_files.read(parsed, "kernel_details.csv"))
    steps = profile_files.steps(profile_files.read(parsed, "step_trace_time.csv"))
    on_device = profile_files.statistic(profile_files.read(parsed, "op_statistic.csv"))
    times = _times(facts, kernels, steps)
    host = _host_operators(facts, parsed)
    shares = _shares(facts, kernels, steps, host)
    on_npu = run.spec.backend == "npu"
    diagnosis = diagnose_device(times, shares) if on_npu else diagnose_cpu(shares)
    worth_trying = _pointers(diagnosis.kind, shares, summary, recorded.configuration, run)
    return Profile(
        study=summary.study.name,
        trial=recorded.trial,
        backend=run.spec.backend,
        emulated_cann=bool(run.result.fingerprint.get("emulated_cann")),
        configuration=recorded.configuration,
        diagnosis=replace(diagnosis, pointers=tuple(worth_trying)),
        times=times,
        shares=shares,
        # Kernels by step first: the other file has no steps, and counts the profiler's warm-up too.
        operators=(kernels.operators if kernels and kernels.steps else ()) or on_device,
        host_operators=host,
        traced_calls=len(facts.traced_ns),
        fallbacks=tuple(facts.fallbacks),
        on_ai_cpu=kernels.on_ai_cpu if kernels else (),
        faults_per_call=facts.faults_per_call,
        device_error=facts.device_error,
        profiler_error=facts.profiler_error,
        missing_activities=tuple(facts.missing_activities),
        folder=str(output),
    )


def _times(
    facts: ProfileFacts, kernels: Kernels | None, steps: profile_files.Steps | None
) -> Times:
    """Medians; the device's time from kernel_details.csv, step_trace_time.csv, else events."""
    measured = facts.device_ns
    device_ms, source, certain = min(measured) / 1e6 if measured else None, "", True
    calls = len(facts.traced_ns) or 1
    if kernels is not None and kernels.busy_us is not None:
        device_ms, source = kernels.busy_us / 1e3 / (kernels.steps or calls), "kernel_details.csv"
    elif steps is not None:
        device_ms, source = steps.busy_us / 1e3 / steps.count, "step_trace_time.csv"
    elif device_ms is not None:
        source, certain = EVENTS, facts.ahead
    return Times(
        latency_ms=median(facts.latency_ns) / 1e6,
        unsynchronised_ms=median(facts.dispatch_ns) / 1e6,
        device_ms=device_ms,
        device_source=source,
        device_certain=certain,
        copy_in_ms=_median_ms(facts.host_to_device_ns),
        copy_out_ms=_median_ms(facts.device_to_host_ns),
        traced_ms=_median_ms(facts.traced_ns),
    )


def _median_ms(times_ns: Sequence[int]) -> float | None:
    return median(times_ns) / 1e6 if times_ns else None


def _host_operators(facts: ProfileFacts, parsed: Path | None) -> tuple[Operator, ...]:
    """Own time on the host: the profiler's table, else operator_details.csv."""
    if facts.operators is None:
        return profile_files.host_operators(profile_files.read(parsed, "operator_details.csv"))
    total_ns = sum(operator.own_ns for operator in facts.operators) or 1
    operators = [
        Operator(timed.name, timed.calls, timed.own_ns / 1e3, timed.own_ns / total_ns)
        for timed in facts.operators
    ]
    return tuple(sorted(operators, key=lambda operator: (-operator.total_us, operator.name)))


def _shares(
    facts: ProfileFacts,
    kernels: Kernels | None,
    steps: profile_files.Steps | None,
    host: tuple[Operator, ...],
) -> Shares:
    idle, source = None, ""
    if kernels is not None and kernels.idle_share is not None:
        idle, source = kernels.idle_share, "kernel_details.csv"
    elif steps is not None:
        idle, source = steps.idle_share, "step_trace_time.csv"
    whole_us = sum(facts.traced_ns) / 1e3
    layout_us = sum(operator.total_us for operator in host if operator.name in LAYOUT_OPERATORS)
    in_operators_us = sum(operator.total_us for operator in host)
    return Shares(
        idle_in_trace=idle,
        idle_source=source,
        conversions=kernels.conversion_share if kernels else 0.0,
        ai_cpu=kernels.ai_cpu_share if kernels else 0.0,
        outside=max(0.0, 1 - in_operators_us / whole_us) if whole_us and host else None,
        layout=layout_us / whole_us if whole_us else 0.0,
        kernel=facts.kernel_share,
    )


def _pointers(
    kind: Kind, shares: Shares, summary: Summary, configuration: Configuration, run: Run
) -> Iterator[Pointer]:
    """By what the search space files say of the study's knobs."""
    setup, space = summary.options, summary.space
    names = [knob.name for knob in space.knobs]
    entries = file.entries_of(names, space.backend, setup.space, setup.folder)
    read_back = {name: back.value for name, back in run.result.read_back.items() if back.certain}
    return pointers(needs(kind, shares), entries, space, configuration, read_back)
