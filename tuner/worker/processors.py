"""Which processors this process may use.

Counted once, at the start: the OpenMP runtime that comes with torch binds the main thread to one
place as soon as it is loaded, where the user's variables ask for it (libgomp: OMP_PROC_BIND).
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import FrozenSet, List

BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


@functools.lru_cache(maxsize=None)
def usable() -> FrozenSet[int]:
    """Those of this process when it was asked first, which is before torch is imported."""
    return frozenset(os.sched_getaffinity(0))


def of_threads() -> List[FrozenSet[int]]:
    """Those of each thread as it is now."""
    masks = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # the thread has ended
            masks.append(frozenset(os.sched_getaffinity(int(task))))
    return masks


def bound_by_openmp() -> bool:
    """Do the user's variables have the OpenMP runtime bind its threads?"""
    if os.environ.get("OMP_PROC_BIND", "").lower() == "false":
        return False
    return any(os.environ.get(name) for name in BINDING)
