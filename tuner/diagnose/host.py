"""The controller's own view of the host: files and variables that decide how it measures."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..language import Message

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
}
LOG_LEVEL, SLOW_LOG_LEVELS = "ASCEND_GLOBAL_LOG_LEVEL", ("0", "1", "2")
OLDEST_KERNEL = (5, 10)  # what the vendor's own host check asks for (msprechecker)


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis: what was seen, and what to do about it."""

    name: str
    state: Literal["OK", "WARN", "FAIL"]
    seen: Message
    todo: Message | None = None


def checks(
    root: Path = Path("/"), environment: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Processors, governor, kernel and memory settings, virtual machine, variables."""
    yield _processors()
    governor = _text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if governor:
        good, command = governor == "performance", "cpupower -c all frequency-set -g performance"
        yield _as_root("governor", good, governor, command)
    if "hypervisor" in _text(root / "proc/cpuinfo"):
        seen = Message("a virtual machine")
        todo = Message("its neighbours disturb it: expect more noise")
        yield Finding("machine", "WARN", seen, todo)
    yield from _kernel(root)
    yield from _variables(environment)


def _kernel(root: Path) -> Iterator[Finding]:
    """What the vendor's host check asks of the kernel, where the kernel tells it."""
    version = platform.release()
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if numbers < OLDEST_KERNEL:
        todo = Message("5.10 or later schedules better; nothing to do in a container")
        yield Finding("kernel", "WARN", Message(version), todo)
    for name, harmless in (("numa_balancing", "0"), ("swappiness", "0")):
        folder = "vm" if name == "swappiness" else "kernel"
        value = _text(root / "proc/sys" / folder / name)
        if value:
            yield _as_root(name, value == harmless, value, f"sysctl {folder}.{name}={harmless}")
    pages = re.search(r"\[(\w+)\]", _text(root / "sys/kernel/mm/transparent_hugepage/enabled"))
    if pages:
        command = "echo always > /sys/kernel/mm/transparent_hugepage/enabled"
        yield _as_root("huge pages", pages[1] != "never", pages[1], command)


def _as_root(name: str, good: bool, seen: str, command: str) -> Finding:
    if good:
        return Finding(name, "OK", Message(seen))
    todo = Message("as root, on the host: {command}", {"command": command})
    return Finding(name, "WARN", Message(seen), todo)


def _processors() -> Finding:
    usable, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    seen = Message("{count} usable, load {load:.1f}", {"count": usable, "load": load})
    if usable < 2:
        todo = Message("level 1 and 2 of the task queue need a second one: widen the affinity")
        return Finding("processors", "WARN", seen, todo)
    if load > 0.5 * usable:
        return Finding("processors", "WARN", seen, Message("stop what else runs here"))
    return Finding("processors", "OK", seen)


def _variables(environment: Mapping[str, str]) -> Iterator[Finding]:
    for name, harmless in DEBUG_VARIABLES.items():
        value = environment.get(name, "")
        if value not in ("", harmless):
            todo = Message("unset it: it slows everything")
            yield Finding("variable", "WARN", Message(f"{name}={value}"), todo)
    level = environment.get(LOG_LEVEL, "")
    if level in SLOW_LOG_LEVELS:
        todo = Message("set 3: lower levels slow everything")
        yield Finding("variable", "WARN", Message(f"{LOG_LEVEL}={level}"), todo)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
