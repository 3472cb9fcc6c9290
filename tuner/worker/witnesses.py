"""Who disturbs this process? Counters that are read before and after the samples."""

from __future__ import annotations

import glob
import os
import resource
import statistics
import time
from typing import Dict, Optional, Set, Tuple

from . import processors, quota
from .files import text_of

REFERENCE_LOOPS, REFERENCE_LOOP_STEPS = 5, 20_000


def usable_cpus() -> Set[int]:
    """The processors of all threads: OpenMP and torch_npu bind the main one to a few of them.

    Before OpenMP's other threads are there, which it would bind elsewhere: those of the start.
    """
    masks = processors.of_threads()
    if len(set(masks)) == 1 and processors.bound_by_openmp():
        return set(processors.usable())
    return set().union(*masks)


def counters(cpus: Set[int]) -> Dict[str, float]:
    """Counters that betray a disturbance; read before and after the samples.

    cpus: the run's processors; what happens on others of the host does not disturb it.
    """
    loop_ns = _reference_loop_ns()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    busy_s, steal_s = _busy_and_steal_s(cpus)
    values = {
        "monotonic_s": time.monotonic(),
        "load_1min": os.getloadavg()[0],
        "involuntary_switches": float(usage.ru_nivcsw),
        "minor_page_faults": float(usage.ru_minflt),
        "process_cpu_s": usage.ru_utime + usage.ru_stime,
        "usable_busy_s": busy_s,
        "usable_steal_s": steal_s,
        "reference_loop_ns": loop_ns,
    }
    where_known = {
        "throttle_count": _throttle_count(),
        "cpu_khz": _frequency_khz(),
        "quota_throttled_s": quota.throttled_s(),
    }
    for name, value in where_known.items():
        if value is not None:
            values[name] = value
    return values


def _reference_loop_ns() -> float:
    """A fixed piece of work: slower than in other runs, the processor was slower.

    It shows a neighbour of a virtual machine that no counter in here does. About 5 ms.
    """
    times = []
    for _ in range(REFERENCE_LOOPS):
        start, total = time.perf_counter_ns(), 0
        for number in range(REFERENCE_LOOP_STEPS):
            total += number
        times.append(time.perf_counter_ns() - start)
    return float(statistics.median(times))


def _busy_and_steal_s(cpus: Set[int]) -> Tuple[float, float]:
    """How long these processors worked since boot, and were held up by the host of the machine."""
    names, busy, stolen = {"cpu{}".format(cpu) for cpu in cpus}, 0, 0
    for line in text_of("/proc/stat").splitlines():
        fields = line.split()
        if len(fields) > 8 and fields[0] in names:
            user, nice, system, _, _, irq, softirq, steal = map(int, fields[1:9])
            busy += user + nice + system + irq + softirq
            stolen += steal
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    return busy / ticks_per_s, stolen / ticks_per_s


def _throttle_count() -> Optional[float]:
    pattern = "/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"
    counts = [text_of(path) for path in glob.glob(pattern)]
    return float(sum(int(count) for count in counts if count.isdigit())) if counts else None


def _frequency_khz() -> Optional[float]:
    """Of the fastest processor that this process may use; None where the kernel does not say.

    That is one at work: on a host with many, most are idle and slow, and say nothing.
    """
    pattern = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
    texts = [text_of(pattern.format(cpu)) for cpu in sorted(os.sched_getaffinity(0))]
    known = [int(text) for text in texts if text.isdigit()]
    return float(max(known)) if known else None
