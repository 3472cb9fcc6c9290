"""What memory a run takes, and what it leaves: of the host, within its control group, too."""

from __future__ import annotations

from typing import Optional

from .files import text_of

GROUP = "/sys/fs/cgroup"


def host_peak_bytes() -> Optional[int]:
    """Largest resident size of this process so far; None where the kernel does not say.

    Not getrusage(2): its ru_maxrss begins with that of whoever started the process.
    """
    return _kib("/proc/self/status", "VmHWM:")


def host_free_bytes() -> Optional[int]:
    """What may still be taken without swapping; a container's limit counts (cgroup v2, then v1)."""
    free = [
        _kib("/proc/meminfo", "MemAvailable:"),
        _left_in_group("memory.max", "memory.current", "memory.stat"),
        _left_in_group(
            *("memory/memory." + n for n in ("limit_in_bytes", "usage_in_bytes", "stat"))
        ),
    ]
    known = [size for size in free if size is not None]
    return min(known) if known else None


def _left_in_group(limit: str, usage: str, statistics: str) -> Optional[int]:
    """Files that were read lately count as usage, and are given up for the asking."""
    sizes = [text_of("{}/{}".format(GROUP, name)) for name in (limit, usage)]
    if not all(size.isdigit() for size in sizes):  # "max": no limit
        return None
    lines = text_of("{}/{}".format(GROUP, statistics)).splitlines()
    files = [int(line.split()[1]) for line in lines if line.startswith("inactive_file ")]
    return max(0, int(sizes[0]) - int(sizes[1]) + sum(files))


def _kib(path: str, name: str) -> Optional[int]:
    sizes = [line.split()[1] for line in text_of(path).splitlines() if line.startswith(name)]
    return int(sizes[0]) * 1024 if sizes else None
