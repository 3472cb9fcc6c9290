"""The command line in a test: in this process, or as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from tuner.cli.main import main

PROGRAM = [sys.executable, "-c", "from tuner.cli.main import main; main()"]


def npu_tune(*args: str) -> Result:
    """The command in this process, in its folder."""
    return CliRunner().invoke(main, args)


def process(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, in a folder."""
    return subprocess.run(
        [*PROGRAM, *args], cwd=folder, capture_output=True, text=True, check=False
    )
