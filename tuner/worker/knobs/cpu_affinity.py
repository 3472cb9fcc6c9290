"""torch_npu's own binding of its threads to processors: CPU_AFFINITY_CONF, modes 1 and 2.

torch_npu skips it, with a line in CANN's log only, in a process that is bound already. From
TorchNPU 7.1.0 on the main thread of a program that only infers stays unbound, unless lazy_bind:0
(7.2.0 on) asks for it. Source: torch_npu, NPUAffinityController.cpp and NPUGuardImpl.cpp.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List

from ..backends.npu import library_holds
from ..protocol import ReadBack
from ..workload import Workload

VARIABLE = "CPU_AFFINITY_CONF"
LAUNCHER = "acl_thread"


def missing(value: Any) -> str:
    """Where torch_npu does not know lazy_bind, or would skip the binding."""
    if not library_holds(b"lazy_bind"):
        return "this torch_npu has no lazy_bind: TorchNPU 7.2.0 is the first that has"
    usable, there = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    if usable < there:
        return "the process may use {} of {} processors: torch_npu then binds nothing".format(
            usable, there
        )
    return ""


def at_start() -> int:
    """How many processors the process may use before torch_npu binds anything."""
    return len(os.sched_getaffinity(0))


def read_back(workload: Workload, start: Any) -> ReadBack:
    """What the threads' masks show: mode 2 gives the launching thread a processor of its own."""
    masks = _masks()
    main = masks.get(str(os.getpid()), [])
    launching = [mask for name, mask in masks.items() if name.startswith(LAUNCHER)]
    how = "of {} processors: main thread {}, {} {}".format(
        start, len(main), LAUNCHER, ", ".join(str(len(mask)) for mask in launching) or "none"
    )
    if not any(len(mask) < int(start) for mask in [main, *launching]):
        return ReadBack("unset", True, how + ": nothing is bound")
    if VARIABLE not in os.environ:
        return ReadBack("unset", True, how + ": bound by others")
    alone = bool(launching) and all(len(mask) == 1 for mask in launching)
    return ReadBack(2 if alone else 1, True, how)


def _masks() -> Dict[str, List[int]]:
    """Thread -> its processors; the main thread under the process id, others under name and id."""
    masks = {}
    for task in os.listdir("/proc/self/task"):
        try:
            with open("/proc/self/task/{}/comm".format(task), encoding="utf-8") as file:
                name = file.read().strip()
            mask = sorted(os.sched_getaffinity(int(task)))
        except (OSError, ProcessLookupError):  # the thread has ended
            continue
        masks[task if task == str(os.getpid()) else "{} {}".format(name, task)] = mask
    return masks
