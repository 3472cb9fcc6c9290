"""Reads the OpenMP wait policy back from what libgomp says about itself.

libgomp prints its settings to stderr when OMP_DISPLAY_ENV is set (GCC manual, libgomp,
"Environment Variables"). Its GOMP_SPINCOUNT tells the three wait policies apart: 0 when passive,
30 billion when active, less when undefined.
"""

from __future__ import annotations

import os
import re
import stat
from typing import Any

from ..protocol import ReadBack
from ..workload import Workload

ACTIVE_SPIN_COUNT = 30000000000


def at_start() -> None:
    """Ask libgomp, which is loaded with torch, to show its settings."""
    os.environ["OMP_DISPLAY_ENV"] = "VERBOSE"


def read_back(workload: Workload, start: Any) -> ReadBack:
    """active, passive, or the spin count of the default."""
    match = re.search(r"GOMP_SPINCOUNT = '(\d+)'", _log())
    if not match:
        value = os.environ.get("OMP_WAIT_POLICY", "").lower() or "unset"
        return ReadBack(value, False, "this OpenMP runtime does not show its settings")
    spins = int(match.group(1))
    if spins == 0:
        value = "passive"
    else:
        value = "active" if spins >= ACTIVE_SPIN_COUNT else "spin {}".format(spins)
    return ReadBack(value, True, "libgomp: GOMP_SPINCOUNT = {}".format(spins))


def _log() -> str:
    """What this process has written to stderr, where that is a file."""
    if not stat.S_ISREG(os.fstat(2).st_mode):
        return ""
    with open("/proc/self/fd/2", encoding="utf-8", errors="replace") as file:
        return file.read()
