"""The controller's own view of the host: files and variables that decide how it measures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# Variables that slow every operator or every call, with the value at which they are harmless.
DEBUG_VARIABLES = {
    "ASCEND_LAUNCH_BLOCKING": "0",
    "ASCEND_SLOG_PRINT_TO_STDOUT": "0",
    "PYTORCH_NO_NPU_MEMORY_CACHING": "",
    "TORCH_NPU_SANITIZER": "",
    "ACL_DUMP_DATA": "0",
    "OOM_SNAPSHOT_ENABLE": "0",
    "PROF_CONFIG_PATH": "",
    "MSMONITOR_USE_DAEMON": "0",
    "KINETO_USE_DAEMON": "0",
    "TORCH_SHOW_CPP_STACKTRACES": "0",
    "CUDA_LAUNCH_BLOCKING": "0",
}
QUIET_LOG_LEVELS = ("3", "4")
INSTALLED = ("ascend_toolkit_install.info", "ascend_nnae_install.info", "ascend_nnrt_install.info")


@dataclass(frozen=True)
class Check:
    """One line of the diagnosis: what was seen, and what to do about it."""

    name: str
    state: Literal["OK", "WARN", "FAIL"]
    seen: str
    todo: str = ""


def checks(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> Iterator[Check]:
    """Processors, governor, memory settings, virtual machine, variables."""
    yield _processors()
    governor = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor and governor != "performance":
        todo = "as root: cpupower -c all frequency-set -g performance"
        yield Check("governor", "WARN", governor, todo)
    elif governor:
        yield Check("governor", "OK", governor)
    if "hypervisor" in _text(root / "proc/cpuinfo"):
        todo = "neighbours disturb it: expect more noise"
        yield Check("machine", "WARN", "a virtual machine", todo)
    balancing = _text(root / "proc/sys/kernel/numa_balancing")
    if balancing not in ("", "0"):
        yield Check("numa_balancing", "WARN", "on", "as root: sysctl kernel.numa_balancing=0")
    pages = re.search(r"\[(\w+)\]", _text(root / "sys/kernel/mm/transparent_hugepage/enabled"))
    if pages and pages[1] == "never":
        todo = "as root: echo always > /sys/kernel/mm/transparent_hugepage/enabled"
        yield Check("huge pages", "WARN", pages[1], todo)
    elif pages:
        yield Check("huge pages", "OK", pages[1])
    yield from _variables(environment)


def _processors() -> Check:
    usable = len(os.sched_getaffinity(0))
    if usable < 2:
        todo = "level 1 and 2 of the task queue need a second one: widen the affinity"
        return Check("processors", "WARN", f"{usable} usable", todo)
    load = os.getloadavg()[0]
    if load > 0.5 * usable:
        seen = f"{usable} usable, load {load:.1f}"
        return Check("processors", "WARN", seen, "stop what else runs here")
    return Check("processors", "OK", f"{usable} usable, load {load:.1f}")


def _variables(environment: Mapping[str, str]) -> Iterator[Check]:
    for name, harmless in DEBUG_VARIABLES.items():
        value = environment.get(name, "")
        if value not in ("", harmless):
            yield Check("variable", "WARN", f"{name}={value}", "unset it: it slows everything")
    level = environment.get("ASCEND_GLOBAL_LOG_LEVEL", "3")
    if level not in QUIET_LOG_LEVELS:
        seen = f"ASCEND_GLOBAL_LOG_LEVEL={level}"
        todo = "set 3: lower levels slow everything, others hang"
        yield Check("variable", "WARN", seen, todo)
    queue = environment.get("TASK_QUEUE_ENABLE")
    if queue not in (None, "0", "1", "2"):
        todo = "set 0, 1 or 2, or unset it: torch_npu takes other text silently for 0"
        yield Check("variable", "FAIL", f"TASK_QUEUE_ENABLE={queue!r}", todo)


def cann_from_files(environment: Mapping[str, str]) -> str:
    """The version that CANN's installation says it has; "" where there is none.

    Looks below ASCEND_HOME_PATH and ASCEND_TOOLKIT_HOME for `version=` in the install files.
    """
    for variable in ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME"):
        home = environment.get(variable)
        if not home:
            continue
        for name in INSTALLED:
            for path in sorted(Path(home).glob(f"**/{name}")):
                found = re.search(r"^version=(\S+)", _text(path), re.MULTILINE)
                if found:
                    return found[1]
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
