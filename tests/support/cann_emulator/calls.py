"""What an emulated process did: how often each entry point was called, and on which thread."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

SLOT = struct.Struct("112sQII")  # name, count, thread, used: `struct slot` of state.c

Calls = Counter[tuple[str, int]]  # (kind:name, thread) -> count; thread 0 is the main one


def of_process(path: Path) -> Calls:
    """The calls of one process."""
    calls: Calls = Counter()
    for name, count, thread, used in SLOT.iter_unpack(path.read_bytes()):
        if used:
            calls[name.rstrip(b"\0").decode(), thread] += count
    return calls


def of_processes(folder: Path) -> list[Calls]:
    """The calls of each process that called anything, in the order in which they began."""
    files = sorted(folder.glob("*.stats"), key=lambda path: path.stat().st_ctime_ns)
    return [calls for path in files if (calls := of_process(path))]


def total(calls: Calls, prefix: str) -> int:
    """Calls of every entry point whose name begins so, on all threads."""
    return sum(count for (name, _), count in calls.items() if name.startswith(prefix))


def threads(calls: Calls, prefix: str) -> set[int]:
    """The threads that called an entry point whose name begins so."""
    return {thread for (name, thread) in calls if name.startswith(prefix)}
