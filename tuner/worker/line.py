"""The line between the measuring process and its supervisor: what it is told, what it answers."""

from __future__ import annotations

import os
from typing import Iterator, Tuple

from .protocol import TOKEN_VARIABLE


class Line:
    """Takes standard input and output for itself: programs that talk or listen do so elsewhere."""

    def __init__(self) -> None:
        self._commands = os.fdopen(os.dup(0), encoding="utf-8")
        self._answers = os.dup(1)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
        os.dup2(2, 1)
        self._token = os.environ.get(TOKEN_VARIABLE, "")

    def __iter__(self) -> Iterator[Tuple[str, int]]:
        """Each command with its number, until the supervisor is gone."""
        for text in iter(self._commands.readline, ""):
            word, _, number = text.strip().partition(" ")
            yield word, int(number or 0)

    def answer(self, word: str, number: int = 0) -> None:
        """Say that it is done; nothing more is done before the next command."""
        os.write(self._answers, "{} {} {}\n".format(self._token, word, number).encode())
