"""What a run's log says: its end, without stacks."""

from __future__ import annotations

import re
from pathlib import Path

LOG_TAIL_LINES = 20
LOG_TAIL_BYTES = 16_384


def log_tail(path: Path) -> str:
    """The last lines of a run's log, without the OpenMP runtime's listing of its settings."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - LOG_TAIL_BYTES))
            text = file.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    text = re.sub(
        r"\s*OPENMP DISPLAY ENVIRONMENT BEGIN.*?OPENMP DISPLAY ENVIRONMENT END",
        "",
        text,
        flags=re.S,
    )
    return "\n".join(text.strip().splitlines()[-LOG_TAIL_LINES:])


def without_traces(log: str) -> str:
    """The log's lines without stacks: what a program said, not where it was."""
    stack = re.compile(
        r"Traceback|\s|Fatal Python error|Current thread|Thread 0x|Extension modules"
    )
    return "\n".join(line for line in log.splitlines() if line and not stack.match(line))


def last_line(log: str) -> str:
    """The last line that says something."""
    lines = [line for line in log.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "no output"
