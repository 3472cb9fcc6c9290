"""Chinese: every text that is spoken has a translation with the same fields."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import tuner
from tuner import language
from tuner.noise_view import ADVICE

SPEAKERS = ("say", "new_table")
# Variables whose texts are spoken later.
HELD_IN = (
    "said", "SENTENCES", "FINDINGS", "ADVICE", "REMEDIES", "UNKNOWN", "HEADERS", "REASONS",
    "STATES", "VERDICTS",
)  # fmt: skip
SAID = re.compile(r'say\("([^"]+)"')
TEMPLATES = Path(tuner.__file__).parent / "templates"


def spoken() -> set[str]:
    """Every literal that is passed to a speaker, in code or a template, or kept for one."""
    sources = Path(tuner.__file__).parent.glob("*.py")
    nodes = [node for path in sources for node in ast.walk(ast.parse(path.read_text()))]
    pages = [text for path in TEMPLATES.glob("*.html") for text in SAID.findall(path.read_text())]
    return {text for node in nodes for text in texts_of(node)} - {""} | set(pages)


def texts_of(node: ast.AST) -> Iterator[str]:
    roots: list[ast.expr] = []
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in SPEAKERS:
        roots = [arg for arg in node.args if isinstance(arg, ast.Constant)]
    if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in HELD_IN:
        roots = [node.value]
        if isinstance(node.value, ast.Dict):
            roots = [*node.value.values]
    for root in roots:
        for one in ast.walk(root):
            if isinstance(one, ast.Constant) and isinstance(one.value, str):
                yield one.value


def test_every_text_has_a_translation_and_no_translation_is_left_over() -> None:
    assert set(language.table("zh")) == spoken() | set(ADVICE)  # its keys are spoken, too


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
