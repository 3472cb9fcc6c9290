"""Where the time of a call goes: true and un-synchronised time, the device's own, a trace."""

from __future__ import annotations

import glob
import os
import re
import resource
import shutil
import statistics
import sys
import traceback
import warnings
from typing import Any, Callable, Dict, List, Tuple

from . import measure
from .device_time import device_time
from .failure import one_line, outcome_of
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
    found: Dict[str, Any],
) -> None:
    """Put dispatch_ns, latency_ns, fallbacks and the host's page faults into `found`."""
    synchronize = backend.synchronize
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        measure.warm_up(call, synchronize, clock, max(2, rule.warmup_calls))
    said = [str(warning.message) for warning in caught] + [_own_log()]
    found["fallbacks"] = sorted({name for text in said for name in FALLBACK.findall(text)})
    before = resource.getrusage(resource.RUSAGE_SELF)
    samples = measure.sample(call, synchronize, clock, rule)
    found.update(_host_costs(before, resource.getrusage(resource.RUSAGE_SELF), samples))
    found.update(dispatch_ns=samples.dispatch_ns, latency_ns=samples.latency_ns)


def device(call: Callable[[], Any], backend: Any, found: Dict[str, Any]) -> bool:
    """Put the device's own time into `found`; False when nothing may be measured after it.

    The work that it needs beside the model may not fit. After any exception at task-queue level 2
    operators are dropped in silence, so memory that is refused ends the measuring, too.
    """
    timer = backend.device_timer()
    if timer is None:
        return True
    try:
        found.update(device_time(call, timer, statistics.median(found["latency_ns"])))
    except RuntimeError as error:
        if outcome_of(error) != Outcome.OUT_OF_MEMORY:
            raise
        traceback.print_exc()
        found["device_error"] = one_line(error)
        found["profiler_error"] = "not tried, because the device's memory was refused before"
        return False
    return True


def trace(
    call: Callable[[], Any],
    backend: Any,
    clock: measure.Clock,
    folder: str,
    found: Dict[str, Any],
) -> None:
    """Some calls under the profiler, which writes to `folder`; puts what it tells into `found`.

    traced_ns: each call under the profiler. operators: [name, calls, own time in ns] over all of
    them, where the profiler tells; torch_npu's writes files only.
    A failing profiler is a fact (`profiler_error`), not a failure: the rest is known by then.
    missing_activities: those without which alone it worked.
    """
    latency_ns = statistics.median(found["latency_ns"])
    calls = max(MIN_CALLS, min(MAX_CALLS, int(TRACED_S * 1e9 / latency_ns)))
    try:
        module, attempts = backend.profiler()
        for activities in attempts:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the profiler about itself
                _record(
                    call, (module, activities, backend.synchronize), clock, folder, calls, found
                )
            if _has_written(folder):
                left_out = [one for one in attempts[0] if one not in activities]
                found["missing_activities"] = [_name(activity) for activity in left_out]
                return
            _remove_empty(folder)
        found["profiler_error"] = "it wrote no trace"
    except Exception as error:
        traceback.print_exc()
        found["profiler_error"] = one_line(error)


def _record(
    call: Callable[[], Any],
    means: Tuple[Any, Any, Callable[[], Any]],
    clock: measure.Clock,
    folder: str,
    calls: int,
    found: Dict[str, Any],
) -> None:
    module, activities, synchronize = means
    write = module.tensorboard_trace_handler(folder, worker_name=WORKER_NAME)

    def on_trace_ready(profiler: Any) -> None:
        write(profiler)
        if hasattr(profiler, "key_averages"):
            found["operators"] = _operators(profiler.key_averages())

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
    found["traced_ns"] = traced_ns[1:]


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


def _operators(averages: Any) -> List[List[Any]]:
    return [
        [event.key, int(event.count), round(event.self_cpu_time_total * 1000)]
        for event in averages
        if not event.key.startswith("ProfilerStep")
    ]


def _host_costs(before: Any, after: Any, samples: measure.Samples) -> Dict[str, float]:
    """Page faults of a call, and the kernel's share of the processor time."""
    system = after.ru_stime - before.ru_stime
    user = after.ru_utime - before.ru_utime
    return {
        "faults_per_call": (after.ru_minflt - before.ru_minflt) / len(samples.latency_ns),
        "kernel_share": system / (system + user) if system + user > 0 else 0.0,
    }


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
