"""What this process really runs on, and who disturbs it."""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import resource
import statistics
import sys
import time
from typing import Any, Dict, Optional, Set, Tuple

# Variables that change how torch runs, whoever set them.
VARIABLE_PREFIXES = (
    "OMP_",
    "GOMP_",
    "KMP_",
    "MKL_",
    "ONEDNN_",
    "DNNL_",
    "TORCH",
    "ATEN_",
    "MALLOC_",
    "ASCEND_",
    "ACL_",
    "ACLNN_",
    "TASK_QUEUE_",
    "PYTORCH_NPU_",
    "CPU_AFFINITY_",
    "MULTI_STREAM_",
    "PER_STREAM_",
)
VARIABLES = ("LD_PRELOAD", "GLIBC_TUNABLES", "PYTORCH_JIT", "CUDA_VISIBLE_DEVICES")
REFERENCE_LOOPS, REFERENCE_LOOP_STEPS = 5, 20_000
OURS = (
    "TORCHINDUCTOR_CACHE_DIR",
    "OMP_DISPLAY_ENV",
    "TORCH_DEVICE_BACKEND_AUTOLOAD",
)  # set by this tool itself


def collect() -> Dict[str, Any]:
    """Versions, host and processor. Knobs do not change it; `variables()` is kept apart."""
    import torch

    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "torch": str(torch.__version__),
        "torchvision": _version_of("torchvision"),
        "torch_npu": _version_of("torch_npu"),
        "machine": platform.machine(),
        "processor": _processor(),
        "cpus": os.cpu_count(),
        "usable_cpus": len(os.sched_getaffinity(0)),
        "cpu_capability": _capability(torch),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "host": platform.node(),
    }


def variables() -> Dict[str, str]:
    """The environment variables that matter to torch, as this process has them."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if (name in VARIABLES or name.startswith(VARIABLE_PREFIXES)) and name not in OURS
    }


def usable_cpus() -> Set[int]:
    """The processors of all threads: OpenMP and torch_npu bind the main one to a few of them."""
    usable: Set[int] = set()
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # the thread has ended
            usable |= os.sched_getaffinity(int(task))
    return usable


def witnesses(cpus: Set[int]) -> Dict[str, float]:
    """Counters that betray a disturbance; read before and after the samples.

    cpus: the run's processors; what happens on others of the host does not disturb it.
    """
    loop_ns = _reference_loop_ns()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    busy_s, steal_s = _busy_and_steal_s(cpus)
    seen = {
        "monotonic_s": time.monotonic(),
        "load_1min": os.getloadavg()[0],
        "involuntary_switches": float(usage.ru_nivcsw),
        "minor_page_faults": float(usage.ru_minflt),
        "process_cpu_s": usage.ru_utime + usage.ru_stime,
        "usable_busy_s": busy_s,
        "usable_steal_s": steal_s,
        "reference_loop_ns": loop_ns,
    }
    for name, value in (("throttle_count", _throttle_count()), ("cpu_khz", _frequency_khz())):
        if value is not None:
            seen[name] = value
    return seen


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
    for line in _read("/proc/stat").splitlines():
        fields = line.split()
        if len(fields) > 8 and fields[0] in names:
            user, nice, system, _, _, irq, softirq, steal = map(int, fields[1:9])
            busy += user + nice + system + irq + softirq
            stolen += steal
    ticks_per_s = os.sysconf("SC_CLK_TCK")
    return busy / ticks_per_s, stolen / ticks_per_s


def _throttle_count() -> Optional[float]:
    pattern = "/sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count"
    counts = [_read(path) for path in glob.glob(pattern)]
    return float(sum(int(count) for count in counts if count.isdigit())) if counts else None


def _frequency_khz() -> Optional[float]:
    """Of the fastest processor that this process may use; None where the kernel does not say.

    That is one at work: on a host with many, most are idle and slow, and say nothing.
    """
    pattern = "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq"
    texts = [_read(pattern.format(cpu)) for cpu in sorted(os.sched_getaffinity(0))]
    known = [int(text) for text in texts if text.isdigit()]
    return float(max(known)) if known else None


def _capability(torch: Any) -> str:
    get = getattr(torch.backends.cpu, "get_cpu_capability", None)
    return str(get()) if get else ""


def _version_of(package: str) -> str:
    """The installed version without importing the package; "" where it is not installed."""
    from importlib import metadata

    for name in (package, package.replace("_", "-")):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return ""


def _processor() -> str:
    for line in _read("/proc/cpuinfo").splitlines():
        if line.lower().startswith(("model name", "cpu model", "hardware")):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
