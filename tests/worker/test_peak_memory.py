"""The worker's peak memory on the CPU, in a real child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tuner.worker.backends import cpu

CHILD = (
    "import importlib.util as loading\n"
    f"spec = loading.spec_from_file_location('cpu', {str(Path(cpu.__file__))!r})\n"
    "backend = loading.module_from_spec(spec)\n"
    "spec.loader.exec_module(backend)\n"
    "print(backend.peak_memory_bytes())"
)
FAT_PARENT = (
    "import os, sys\n"
    "fat = b'x' * (300 * 2**20)\n"
    "pid = os.fork()\n"
    f"if pid == 0: os.execv(sys.executable, [sys.executable, '-c', {CHILD!r}])\n"
    "sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
)


def test_the_peak_of_a_fat_parent_is_not_the_childs() -> None:
    child = subprocess.run(
        [sys.executable, "-c", FAT_PARENT], capture_output=True, text=True, check=True
    )
    assert 2**20 < int(child.stdout) < 100 * 2**20
