"""What a user reads, in English or Chinese: the English text is the key of its translation.

What is kept, in the database, a file or JSON, is a Message: the key with its fields. It is spoken
where it is shown.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

LANGUAGES = ("en", "zh")
TABLES = Path(__file__).parent / "languages"

_chosen = "en"


@dataclass(frozen=True)
class Message:
    """An English text and what stands in its braces; without fields it is shown as it is.

    Of JSON types, so that `dataclasses.asdict` makes JSON of it; `message` is the reverse. Fields
    that are named like languages are translations which the text, a search space's, brings along.

    Raises ValueError where the text asks for a field that is not there.
    """

    text: str
    fields: Mapping[str, str | int | float | bool | Message | None] = field(
        default_factory=dict, hash=False
    )

    def __post_init__(self) -> None:
        try:
            str(self)
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.text!r} does not go with its fields: {error!r}") from error

    def __str__(self) -> str:
        return _rendered(self.text, self.fields, "en")


def with_translation(english: str, chinese: str) -> Message:
    """A text of a search space with the translation that it brings along, "" for none."""
    return Message(english, {"zh": chinese} if chinese else {})


def N_(text: str) -> str:
    """Mark a text that is spoken later, so that it is known to need a translation."""
    return text


def message(data: Any) -> Message:
    """The reverse of `asdict`; a sentence, as earlier versions kept, is a text without fields.

    Raises ValueError for anything else.
    """
    if isinstance(data, str):
        return Message(data)
    fields = data.get("fields") if isinstance(data, Mapping) else None
    if not isinstance(fields, Mapping) or set(data) != {"text", "fields"}:
        raise ValueError(f"{data!r} is no message: it has a text and fields")
    nested = {n: message(v) if isinstance(v, Mapping) else v for n, v in fields.items()}
    return Message(data["text"], nested)


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


def say(text: str | Message, **fields: object) -> str:
    """The text in the language of the user, its fields filled in; a message has its own."""
    if isinstance(text, Message):
        return _rendered(text.text, text.fields, _chosen)
    return _rendered(text, fields, _chosen)


def _rendered(text: str, fields: Mapping[str, object], language: str) -> str:
    if fields and set(fields) <= set(LANGUAGES):
        return str(fields.get(language, text))
    translated = table(language).get(text, text)
    filled = {
        name: _rendered(value.text, value.fields, language) if isinstance(value, Message) else value
        for name, value in fields.items()
    }
    return translated.format(**filled) if filled else translated


@functools.cache
def table(language: str) -> dict[str, str]:
    """English text -> translation; empty for English."""
    if language == "en":
        return {}
    loaded: dict[str, str] = yaml.safe_load((TABLES / f"{language}.yaml").read_text("utf-8"))
    return loaded
