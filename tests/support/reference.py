"""The commands in docs/reference.md and docs/reference.zh-CN.md, made from the commands themselves.

    python -m tests.support.reference     writes that part of both files anew

Chinese: each English text of the commands is a key of reference.zh.yaml.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import yaml

from tests.support import ROOT
from tuner.cli import exit_codes
from tuner.cli.main import main

FILES = {"en": "docs/reference.md", "zh": "docs/reference.zh-CN.md"}
TABLE = Path(__file__).with_name("reference.zh.yaml")
BEGIN = "<!-- made by python -m tests.support.reference -->\n"
END = "<!-- end of what is made -->\n"
SHARED_BY = 3  # so many commands with the same option: it is explained once, for all of them
DEFAULT = re.compile(r"  \[default: (.*)\]$")
# A default that is a value, not words.
VALUE = re.compile(r"\d+|auto|latency|inference|yaml|\S*[<_/.]\S*|results/<.*>")
INTRODUCTION = (
    "`npu-tune --model …` is short for `npu-tune tune --model …`. Every command has `--help`; "
    "`--version` alone says which version this is. Where a command reads a STUDY, an "
    "exported file stands for the study that it is of; `delete` takes names only."
)
Translate = Callable[[str], str]


@dataclass(frozen=True)
class OptionText:
    """An option as it is typed, what it means, and what it is where it is not given."""

    name: str
    typed: str
    meaning: str
    default: str


def option_text(option: click.Option) -> OptionText:
    """What click knows of an option."""
    help_text = option.help or ""
    match = DEFAULT.search(help_text)
    default = match[1] if match else ""
    if option.show_default:
        default = str(option.default)
    elif option.required:
        default = "required"
    *short, name = sorted(option.opts, key=len)
    typed = ", ".join([*(f"`{one}`" for one in short), f"`{name}{_value(option)}`"])
    return OptionText(name, typed, DEFAULT.sub("", help_text), default)


def _value(option: click.Option) -> str:
    """What follows the name: nothing after a flag."""
    kind: Any = option.type
    if option.is_flag:
        return ""
    word = option.metavar or {"integer": "N", "float": "X", "text": "TEXT"}.get(kind.name, "FILE")
    if isinstance(kind, click.Choice):
        word = "|".join(kind.choices)
    return " " + word.replace("|", r"\|")


def options_of(command: click.Command) -> list[click.Option]:
    """Those that are shown."""
    return [p for p in command.params if isinstance(p, click.Option) and not p.hidden]


def shared() -> list[OptionText]:
    """What several commands have; without the default where it is not the same for all."""
    texts = [option_text(o) for c in main.commands.values() for o in options_of(c)]
    counts = Counter(replace(text, default="") for text in texts)
    common = [text for text, count in counts.items() if count >= SHARED_BY]
    defaults = {one: {t.default for t in texts if replace(t, default="") == one} for one in common}
    return [replace(t, default=min(defaults[t]) if len(defaults[t]) == 1 else "") for t in common]


def section(translate: Translate) -> str:
    """All of the part that is made."""
    return "\n".join(_lines(translate)) + "\n"


def _lines(say: Translate) -> Iterator[str]:
    yield f"## {say('Commands')}"
    yield ""
    yield say(INTRODUCTION)
    yield ""
    yield f"### {say('Options of several commands')}"
    yield ""
    common = shared()
    yield from _table(say, common)
    for name, command in main.commands.items():
        usage = " ".join(p.make_metavar(click.Context(command)) for p in command.params
                         if isinstance(p, click.Argument))  # fmt: skip
        yield ""
        yield f"### `npu-tune {name}{' ' + usage if usage else ''}`"
        yield ""
        for paragraph in re.split(r"\n\s*\n", command.help or ""):
            yield say(" ".join(paragraph.split()))
            yield ""
        yield from _options(say, command, common)
        yield _codes(say, name)
    yield ""
    yield f"### {say('Exit codes')}"
    yield ""
    yield f"| {say('code')} | {say('meaning')} |"
    yield "|---|---|"
    for code, meaning in exit_codes.MEANINGS.items():
        yield f"| {code} | {say(meaning)} |"


def _options(say: Translate, command: click.Command, common: list[OptionText]) -> Iterator[str]:
    """A table of its own options, and a line of the shared ones with the defaults here."""
    defaults = {replace(text, default=""): text.default for text in common}
    texts = [option_text(option) for option in options_of(command)]
    own = [text for text in texts if replace(text, default="") not in defaults]
    if own:
        yield from _table(say, own)
        yield ""
    names = []
    for text in texts:
        known = defaults.get(replace(text, default=""))
        if known is not None:
            differs = text.default not in ("", known)
            shown = _bracketed(say, _default(say, text)) if differs else ""
            names.append(f"`{text.name}`{shown}")
    yield say("Also: {}").format(say(", ").join(names))
    yield ""


def _table(say: Translate, texts: list[OptionText]) -> Iterator[str]:
    yield f"| {say('option')} | {say('meaning')} | {say('default')} |"
    yield "|---|---|---|"
    for text in texts:
        yield f"| {text.typed} | {say(text.meaning)} | {_default(say, text)} |"


def _default(say: Translate, text: OptionText) -> str:
    return f"`{text.default}`" if VALUE.fullmatch(text.default) else say(text.default)


def _bracketed(say: Translate, text: str) -> str:
    return say(" ({})").format(text)


def _codes(say: Translate, name: str) -> str:
    own = exit_codes.OWN.get(name, {})
    meanings = {code: _bracketed(say, say(meaning)) for code, meaning in own.items()}
    shown = say(", ").join(f"{code}{meanings.get(code, '')}" for code in exit_codes.OF[name])
    head = exit_codes.PROGRAMS_OWN if name == "run" else "Exit codes:"
    return say(f"{head} {{}}").format(shown)


def translation(language: str) -> Translate:
    """English text -> text. Chinese: LookupError where a translation is missing."""
    if language == "en":
        return lambda text: text
    table: dict[str, str] = yaml.safe_load(TABLE.read_text("utf-8"))
    return lambda text: table[text] if text else ""


def written(text: str, language: str) -> str:
    """A whole file with the part made anew."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + section(translation(language)) + END + rest.split(END)[1]


if __name__ == "__main__":
    for language, name in FILES.items():
        path = ROOT / name
        path.write_text(written(path.read_text("utf-8"), language), "utf-8")
