"""What the documents promise: a short README, both languages, links and commands that hold."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tests.support import ROOT
from tuner.cli.main import main

CHINESE = ".zh-CN.md"
READMES = ("README.md", "README.zh-CN.md")
DOCS = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))
PAGES = (*READMES, *DOCS, "CONTRIBUTING.md", "benchmarks/README.md")
LONGEST_README = 150  # lines that a newcomer reads to the end


def text_of(page: str | Path) -> str:
    """Of a page, by its place in the project."""
    return (ROOT / page).read_text(encoding="utf-8")


def without_code(text: str) -> str:
    """Text in which a heading is a heading and a link is a link."""
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def anchors(text: str) -> set[str]:
    """Of its headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_code(text), re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


def links(page: str) -> list[tuple[str, str]]:
    """Of a page to others of the project, and within itself: (path, anchor), either may be ''."""
    found = re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", without_code(text_of(page)))
    return [(path, anchor) for path, anchor in found if "://" not in path]


def commands(text: str) -> list[str]:
    """Every `npu-tune …` of a text: lines of its blocks, and what stands in the line as code."""
    lines = [
        line for block in re.findall(r"```.*?```", text, re.DOTALL) for line in block.split("\n")
    ]
    inline = re.findall(r"`([^`]+)`", without_code(text).replace("\n", " "))
    begun = (
        re.match(r"(?:\$ )?(?:\S*/)?(npu-tune .*)", line.strip()) for line in (*lines, *inline)
    )
    return [match[1] for match in begun if match]


def parse(line: str) -> None:
    """Have click parse a command line, without running it. Raises click.UsageError."""
    words = shlex.split(line, comments=True)[1:]
    name, *rest = words if words[0] in main.commands else ["tune", *words]
    command = main.commands[name]
    _, left, _ = command.make_parser(click.Context(command)).parse_args(rest)
    if left:
        raise click.UsageError(f"too many arguments: {left}")


@pytest.mark.parametrize("readme", READMES)
def test_a_newcomer_reads_the_readme_to_its_end(readme: str) -> None:
    assert len(text_of(readme).splitlines()) <= LONGEST_README
    assert "make tune" in text_of(readme)
    assert "make test" in text_of(readme)


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_exists(page: str) -> None:
    missing = []
    for path, anchor in links(page):
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(text_of(target))):
            missing.append(f"{path}#{anchor}")
    assert missing == []


@pytest.mark.parametrize("page", [*READMES, *DOCS])
def test_every_page_has_its_other_language_and_names_it(page: str) -> None:
    name = Path(page).name
    other = name.replace(CHINESE, ".md") if name.endswith(CHINESE) else name[:-3] + CHINESE
    assert (ROOT / page).with_name(other).exists()
    assert (other, "") in links(page)


@pytest.mark.parametrize("page", [page for page in DOCS if page.endswith(CHINESE)])
def test_a_page_in_chinese_leads_to_pages_in_chinese(page: str) -> None:
    english = [path for path, _ in links(page)[1:] if path.endswith(".md")]
    has_other = ((ROOT / page).parent / path.replace(".md", CHINESE) for path in english)
    assert [str(path) for path in has_other if path.exists()] == []


@pytest.mark.parametrize("index", ["docs/README.md", "docs/README.zh-CN.md"])
def test_the_index_lists_every_page(index: str) -> None:
    listed = {f"docs/{path}" for path, _ in links(index)}
    chinese = index.endswith(CHINESE)
    assert {page for page in DOCS if page.endswith(CHINESE) == chinese} - listed == {index}


@pytest.mark.parametrize("page", [*READMES, *DOCS])
def test_every_command_is_one_that_there_is(page: str) -> None:
    wrong = []
    for line in commands(text_of(page)):
        if "[" in line:  # a form, such as `show STUDY [--trial N]`
            continue
        try:
            parse(line)
        except click.UsageError as error:
            wrong.append(f"{line}: {error.format_message()}")
    assert wrong == []


@pytest.mark.parametrize("line", ["npu-tune --modell m", "npu-tune chek f", "npu-tune show a b"])
def test_a_wrong_command_is_found(line: str) -> None:
    assert commands(f"```\n$ {line}\n```") == [line]
    with pytest.raises(click.UsageError):
        parse(line)
