"""What a user reads, in English or Chinese: the English text is the key of its translation."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import yaml

LANGUAGES = ("en", "zh")
TABLES = Path(__file__).parent / "languages"

_chosen = "en"


def use(language: str | None) -> None:
    """Speak this language from now on; None: the one of the locale."""
    global _chosen
    _chosen = language or of_locale()


def chosen() -> str:
    """The language that is spoken."""
    return _chosen


def of_locale() -> str:
    """The language of messages by POSIX's variables, the first that is set; English otherwise."""
    names = (os.environ.get(variable) for variable in ("LC_ALL", "LC_MESSAGES", "LANG"))
    found = next((name for name in names if name), "")
    return next((one for one in LANGUAGES if found.lower().startswith(one)), "en")


def say(text: str, **values: object) -> str:
    """The text in the language of the user, its fields filled in."""
    return table(_chosen).get(text, text).format(**values)


@functools.cache
def table(language: str) -> dict[str, str]:
    """English text -> translation; empty for English."""
    if language == "en":
        return {}
    loaded: dict[str, str] = yaml.safe_load((TABLES / f"{language}.yaml").read_text("utf-8"))
    return loaded
