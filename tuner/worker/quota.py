"""How much time on processors the cgroups of this process give it, and whether they stopped it.

A limit of 2 processors' time leaves the affinity alone: torch starts a thread for each processor of
the host, and all are stopped when the time is used up. Files: the kernel's cgroup-v2.rst (cpu.max,
cpu.stat) and, of the first version, sched-bwc.rst (cpu.cfs_quota_us, cpu.stat).
"""

from __future__ import annotations

import os
from typing import Dict, Iterator, List, Optional

from .files import text_of


def processors(root: str = "/") -> Optional[float]:
    """The smallest quota of the process's cgroup and its parents; None where there is none."""
    quotas = [_quota(folder) for folder in _folders(root)]
    return min((quota for quota in quotas if quota is not None), default=None)


def throttled_s(root: str = "/") -> Optional[float]:
    """For how long those with a quota have stopped threads, added up; None without a quota."""
    limited = [folder for folder in _folders(root) if _quota(folder) is not None]
    return sum(map(_throttled_s, limited)) if limited else None


def _quota(folder: str) -> Optional[float]:
    words = text_of(os.path.join(folder, "cpu.max")).split()
    if not words:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        words = [text_of(os.path.join(folder, name)) for name in names]
    if len(words) != 2 or not all(word.isdigit() for word in words) or int(words[1]) == 0:
        return None  # "max", or -1
    return int(words[0]) / int(words[1])


def _throttled_s(folder: str) -> float:
    seconds = 0.0
    for line in text_of(os.path.join(folder, "cpu.stat")).splitlines():
        name, _, value = line.partition(" ")
        if name in ("throttled_usec", "throttled_time"):  # the first version counts in ns
            seconds += int(value) / (1e6 if name == "throttled_usec" else 1e9)
    return seconds


def _folders(root: str) -> Iterator[str]:
    """Of the process's cgroups that may limit processors, and of their parents."""
    groups = _groups(root)
    for line in text_of(os.path.join(root, "proc/self/mountinfo")).splitlines():
        left, _, right = line.partition(" - ")
        words, kind = left.split(), right.split()
        if len(words) < 5 or not kind or kind[0] not in groups:
            continue
        if kind[0] == "cgroup" and "cpu" not in kind[-1].split(","):
            continue
        mounted, top = words[3].rstrip("/"), os.path.join(root, words[4].lstrip("/"))
        path = groups[kind[0]]
        # A container may see the host's path of a group that is mounted as its top.
        inside = path[len(mounted) :] if (path + "/").startswith(mounted + "/") else ""
        parts: List[str] = [part for part in inside.split("/") if part]
        if ".." in parts:
            parts = []
        for length in range(len(parts), -1, -1):
            yield os.path.join(top, *parts[:length])


def _groups(root: str) -> Dict[str, str]:
    """Kind of file system -> the process's group in it."""
    groups: Dict[str, str] = {}
    for line in text_of(os.path.join(root, "proc/self/cgroup")).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            groups["cgroup2"] = path
        elif "cpu" in controllers.split(","):
            groups["cgroup"] = path
    return groups
