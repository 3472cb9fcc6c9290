"""The reference: what it says of commands and options is what the commands say of themselves."""

from __future__ import annotations

import pytest
import yaml

from tests.support import ROOT, reference
from tuner.cli.main import main


@pytest.mark.parametrize("language", sorted(reference.FILES))
def test_commands_and_options_are_as_the_commands_have_them(language: str) -> None:
    text = (ROOT / reference.FILES[language]).read_text("utf-8")
    assert reference.written(text, language) == text, "python -m tests.support.reference"


@pytest.mark.parametrize("language", sorted(reference.FILES))
@pytest.mark.parametrize("name", sorted(main.commands))
def test_each_option_is_named_with_its_command(name: str, language: str) -> None:
    text = (ROOT / reference.FILES[language]).read_text("utf-8")
    _, _, rest = text.partition(f"\n### `npu-tune {name}")
    part, _, _ = rest.partition("\n### ")
    names = [option for o in reference.options_of(main.commands[name]) for option in o.opts]
    assert [option for option in names if f"`{option}" not in part] == []


def test_every_text_of_the_commands_is_translated_and_no_translation_is_left_over() -> None:
    said: set[str] = set()

    def note(text: str) -> str:
        said.add(text)
        return text

    reference.section(note)
    table = yaml.safe_load(reference.TABLE.read_text("utf-8"))
    assert set(table) == said - {""}
