"""Where the time of a call goes: true and un-synchronised time, the device's own, a trace."""

from __future__ import annotations

import glob
import os
import re
import resource
import shutil
import statistics
import sys
import warnings
from dataclasses import replace
from typing import Any, Callable, List, Optional, Tuple

from . import measure
from .device_time import device_time
from .facts import OperatorTime, ProfileFacts
from .failure import one_line, outcome_of, print_trace
from .protocol import MeasurementRule, Outcome

WORKER_NAME = "npu-tune"
MAX_CALLS, MIN_CALLS = 10, 3
TRACED_S = 2.0  # calls in the trace are fewer where they take long: a trace grows with time
FALLBACK = re.compile(r"operator '([^']+)' is not currently supported on the NPU")


def times(
    call: Callable[[], Any],
    backend: Any,
    clock: measure.Clock,
    rule: MeasurementRule,
) -> ProfileFacts:
    """Measure calls, and what they cost the host."""
    synchronize = backend.synchronize
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        measure.warm_up(call, synchronize, clock, max(2, rule.warmup_calls))
    texts = [str(warning.message) for warning in warned] + [_own_log()]
    before = resource.getrusage(resource.RUSAGE_SELF)
    samples = measure.sample(call, synchronize, clock, rule)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return ProfileFacts(
        dispatch_ns=samples.dispatch_ns,
        latency_ns=samples.latency_ns,
        fallbacks=sorted({name for text in texts for name in FALLBACK.findall(text)}),
        faults_per_call=(after.ru_minflt - before.ru_minflt) / len(samples.latency_ns),
        kernel_share=_kernel_share(before, after),
    )


def with_device(facts: ProfileFacts, call: Callable[[], Any], backend: Any) -> ProfileFacts:
    """Add the device's own time; after a `device_error` nothing more may be measured.

    The work that it needs beside the model may not fit. After any exception at task-queue level 2
    operators are dropped in silence, so memory that is refused ends the measuring, too.
    """
    timer = backend.device_timer()
    if timer is None:
        return facts
    try:
        measured = device_time(call, timer, statistics.median(facts.latency_ns))
    except RuntimeError as error:
        if outcome_of(error) != Outcome.OUT_OF_MEMORY:
            raise
        print_trace(error)
        not_tried = "not tried, because the device's memory was refused before"
        return replace(facts, device_error=one_line(error), profiler_error=not_tried)
    return replace(facts, device_ns=measured.device_ns, ahead=measured.ahead)


def with_trace(
    facts: ProfileFacts,
    call: Callable[[], Any],
    backend: Any,
    clock: measure.Clock,
    folder: str,
) -> ProfileFacts:
    """Add what the profiler tells of some calls, of which it writes a trace to `folder`.

    torch_npu's tells nothing but that trace. A failing profiler is a fact, not a failure: the rest
    is known by then.
    """
    latency_ns = statistics.median(facts.latency_ns)
    calls = max(MIN_CALLS, min(MAX_CALLS, int(TRACED_S * 1e9 / latency_ns)))
    try:
        module, attempts = backend.profiler()
        for activities in attempts:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the profiler about itself
                means = module, activities, backend.synchronize
                traced_ns, operators = _record(call, means, clock, folder, calls)
            facts = replace(facts, traced_ns=traced_ns, operators=operators)
            if _has_written(folder):
                left_out = [_name(a) for a in attempts[0] if a not in activities]
                return replace(facts, missing_activities=left_out)
            _remove_empty(folder)
        return replace(facts, profiler_error="it wrote no trace")
    except Exception as error:
        print_trace(error)
        return replace(facts, profiler_error=one_line(error))


def _record(
    call: Callable[[], Any],
    means: Tuple[Any, Any, Callable[[], Any]],
    clock: measure.Clock,
    folder: str,
    calls: int,
) -> Tuple[List[int], Optional[List[OperatorTime]]]:
    """Time each call under the profiler; the operators over all of them, where it tells them."""
    module, activities, synchronize = means
    write = module.tensorboard_trace_handler(folder, worker_name=WORKER_NAME)
    operators: Optional[List[OperatorTime]] = None

    def on_trace_ready(profiler: Any) -> None:
        nonlocal operators
        write(profiler)
        if hasattr(profiler, "key_averages"):
            operators = _operators(profiler.key_averages())

    schedule = module.schedule(wait=0, warmup=1, active=calls, repeat=1)
    traced_ns = []
    with module.profile(
        activities=activities, schedule=schedule, on_trace_ready=on_trace_ready
    ) as profiler:
        for _ in range(1 + calls):
            # Synchronised at both ends: else the last kernels would fall into the next step.
            traced_ns.append(measure.timed_call(call, synchronize, clock)[1])
            profiler.step()
        synchronize()
    return traced_ns[1:], operators


def _has_written(folder: str) -> bool:
    """Is there a trace? torch_npu keeps going, and leaves an empty folder, when it cannot parse."""
    patterns = ("*.json*", os.path.join("*_ascend_pt", "ASCEND_PROFILER_OUTPUT", "*"))
    return any(glob.glob(os.path.join(folder, pattern)) for pattern in patterns)


def _remove_empty(folder: str) -> None:
    """What a failed attempt left, unless CANN has collected something that can be parsed later."""
    for attempt in glob.glob(os.path.join(folder, "*_ascend_pt")):
        if not glob.glob(os.path.join(attempt, "PROF_*")):
            shutil.rmtree(attempt, ignore_errors=True)


def _name(activity: Any) -> str:
    return str(activity).rpartition(".")[2]


def _operators(averages: Any) -> List[OperatorTime]:
    return [
        OperatorTime(event.key, int(event.count), round(event.self_cpu_time_total * 1000))
        for event in averages
        if not event.key.startswith("ProfilerStep")
    ]


def _kernel_share(before: Any, after: Any) -> float:
    """The kernel's share of the processor time between two readings of getrusage(2)."""
    system = after.ru_stime - before.ru_stime
    user = after.ru_utime - before.ru_utime
    return system / (system + user) if system + user > 0 else 0.0


def _own_log() -> str:
    """What this process has said so far: C++ warns on standard error, once, in the first call."""
    sys.stderr.flush()
    try:
        path = os.path.realpath("/proc/self/fd/2")
        if not os.path.isfile(path):
            return ""
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
