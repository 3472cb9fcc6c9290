"""Chinese: every text that is spoken has a translation with the same fields."""

from __future__ import annotations

import ast
import json
import re
import string
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

import tuner
from tuner import language
from tuner.language import Message

SPEAKERS = ("say", "Message", "N_")
SAID = re.compile(r'say\("([^"]+)"')
NONE = Message("there is no {library} on this host", {"library": "x"})
TEMPLATES = Path(tuner.__file__).parent / "views" / "templates"


def spoken() -> set[str]:
    """Every literal that is said at once, kept in a message or marked, in code or a template."""
    sources = Path(tuner.__file__).parent.rglob("*.py")
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    pages = [text for path in TEMPLATES.glob("*.html") for text in SAID.findall(path.read_text())]
    return {text for node in nodes for text in texts_of(node)} | set(pages)


def texts_of(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SPEAKERS:
        for text in node.args[:1]:
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield text.value


def test_every_text_has_a_translation_and_no_translation_is_left_over() -> None:
    assert set(language.table("zh")) == spoken()


def test_translations_keep_the_fields() -> None:
    def fields(text: str) -> set[tuple[str | None, str | None]]:
        return {(name, spec) for _, name, spec, _ in string.Formatter().parse(text) if name}

    table = language.table("zh")
    assert [key for key, text in table.items() if fields(key) != fields(text)] == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
        ({"LC_MESSAGES": "zh_TW"}, "zh"),
    ],
)
def test_the_locale_chooses(
    variables: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language.of_locale() == expected


def test_a_text_is_spoken_in_the_chosen_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "_chosen", "zh")
    assert language.say("written: {path}", path="x.yaml") == "已写入：x.yaml"  # noqa: RUF001


def test_a_message_reads_in_the_language_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Message("left out: {name}={values}: {why}", {"name": "a", "values": "1", "why": NONE})
    assert language.say(kept) == str(kept) == "left out: a=1: there is no x on this host"
    monkeypatch.setattr(language, "_chosen", "zh")
    assert language.say(kept) == "略去：a=1：本机没有 x"  # noqa: RUF001


def test_a_message_comes_back_from_json() -> None:
    kept = Message("{have}, older than {needed}", {"have": NONE, "needed": 2})
    assert language.message(json.loads(json.dumps(asdict(kept)))) == kept


def test_a_sentence_of_an_earlier_version_is_shown_as_it_is() -> None:
    assert language.say(language.message("只有 {2} 个")) == "只有 {2} 个"


def test_a_text_of_a_search_space_brings_its_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Message("a {b}", {"zh": "甲 {乙}"})
    assert language.say(kept) == "a {b}"
    monkeypatch.setattr(language, "_chosen", "zh")
    assert language.say(kept) == "甲 {乙}"


@pytest.mark.parametrize(
    "data", [None, 3, {}, {"text": "a", "fields": 1}, {"text": "{a}", "fields": {"b": 1}}]
)
def test_what_is_no_message_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"is no message|does not go with"):
        language.message(data)
