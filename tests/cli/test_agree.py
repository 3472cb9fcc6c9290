"""Commands agree: language, exit codes, and hints that can be typed as they are printed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import tuner
from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tuner import errors
from tuner.cli import exit_codes
from tuner.cli.main import main

PACKAGE = Path(tuner.__file__).parent
WITH_STORAGE = [n for n, c in main.commands.items() if any(p.name == "storage" for p in c.params)]
HINT = re.compile(rf"npu-tune (?:--|(?:{'|'.join(WITH_STORAGE)})\b)")
# Of a file, which holds what the command needs; and of no study in particular.
NEEDS_NO_STORAGE = {
    "start the program with npu-tune run ",
    "npu-tune run results/",
    "; an exported file comes from npu-tune export",
}


@pytest.mark.parametrize("name", sorted(main.commands))
def test_every_command_speaks_the_language_that_is_asked_for(name: str) -> None:
    assert "--lang" in {option for p in main.commands[name].params for option in p.opts}


def test_every_error_has_its_exit_code_in_the_table() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if issubclass(kind, errors.TunerError)}
    assert codes < set(exit_codes.MEANINGS)
    assert set(exit_codes.OF) == set(main.commands)


@pytest.mark.parametrize("name", sorted(main.commands))
def test_help_ends_with_the_exit_codes_of_the_command(name: str) -> None:
    lines = npu_tune(name, "--help").stdout.splitlines()
    shown = [re.match(r"  +(\d+) +(\S.*)", line) for line in lines]
    found = {int(match[1]): match[2] for match in shown if match}
    assert found == exit_codes.codes(name)
    assert max(map(len, lines)) <= 100


def texts_of(path: Path) -> list[str]:
    """Every literal of a file that is no docstring."""
    tree = ast.parse(path.read_text())
    said = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said
    ]


def test_no_hint_names_a_command_without_its_database() -> None:
    hints = {
        text
        for path in PACKAGE.rglob("*.py")
        if not path.is_relative_to(PACKAGE / "cli" / "main.py")
        for text in texts_of(path)
        if HINT.search(text)
    }
    bare = {text for text in hints if not any(part in text for part in NEEDS_NO_STORAGE)}
    assert bare == set()
    assert len(hints) == len(NEEDS_NO_STORAGE)


def test_the_example_without_a_model_is_for_the_database_that_was_named(pretend: Pretend) -> None:
    done = npu_tune("tune", "--storage", "sqlite:///my studies.db", *pretend())
    assert done.stderr == (
        "npu-tune: --model is missing; for example: npu-tune --model mobilenet_v2 --storage "
        "'sqlite:///my studies.db'\n"
    )


@pytest.mark.usefixtures("study")
def test_what_export_and_rerun_say_is_said_in_chinese() -> None:
    assert npu_tune("export", "s", "--lang", "zh").stdout == "已写入：results/s.yaml\n"  # noqa: RUF001
    lines = npu_tune("rerun", "s", "--trial", "0", "--lang", "zh").stdout.splitlines()
    assert lines[-2] == "结果: ok"
