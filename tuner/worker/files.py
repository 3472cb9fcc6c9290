"""Small text files of the kernel and of installations, which may not be there."""

from __future__ import annotations


def text_of(path: str) -> str:
    """The file's text without white space around it; "" where it cannot be read."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""
