"""Reads the host allocator back from where it puts a large block.

glibc maps a block of 24 MiB apart from the heap unless MALLOC_MMAP_THRESHOLD_ is above that, and
gives the heap's end back on free unless MALLOC_TRIM_THRESHOLD_ forbids it (mallopt(3)). The block
is taken in a forked child: freeing it here would itself raise glibc's thresholds.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from ..protocol import ReadBack
from ..workload import Workload

BLOCK_BYTES = 24 * 1024 * 1024
PRELOADS = ("tcmalloc", "jemalloc", "mimalloc")


def at_start() -> str:
    """The allocator in force, seen before torch has changed the heap."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        maps = file.read()
    for name in PRELOADS:
        if "lib" + name in maps:
            return name
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, b"glibc-keep" if _heap_is_kept() else b"glibc")
        finally:
            os._exit(0)
    os.close(writer)
    answer = os.read(reader, 64).decode()
    os.close(reader)
    os.waitpid(child, 0)
    return answer


def _heap_is_kept() -> bool:
    libc = ctypes.CDLL(None)
    libc.malloc.restype = libc.sbrk.restype = ctypes.c_void_p
    libc.malloc.argtypes = [ctypes.c_size_t]
    libc.free.argtypes = [ctypes.c_void_p]
    libc.sbrk.argtypes = [ctypes.c_ssize_t]
    block = libc.malloc(BLOCK_BYTES) or 0
    in_heap = block < (libc.sbrk(0) or 0)  # mapped blocks lie above the heap
    libc.free(block)
    return in_heap and (libc.sbrk(0) or 0) >= block + BLOCK_BYTES


def read_back(workload: Workload, start: Any) -> ReadBack:
    """What `at_start` saw."""
    return ReadBack(start or "unknown", bool(start), "where a 24 MiB block was placed at start")
