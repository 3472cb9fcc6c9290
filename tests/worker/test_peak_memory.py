"""The worker's peak memory on the CPU, in a real child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tuner import worker

MAIN = Path(worker.__file__).with_name("__main__.py")
CHILD = (
    "import importlib, runpy\n"
    f"runpy.run_path({str(MAIN)!r})['load_worker_package']()\n"
    "backend = importlib.import_module('npu_tune_worker.backends.cpu')\n"
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
