"""What several commands share: options, Ctrl-C, the live line, where it is printed."""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import language, text
from ..language import LANGUAGES, say
from ..options import DEFAULT_STORAGE

if TYPE_CHECKING:
    from rich.console import Console

JSON_VERSION = 1  # of what --json prints: another one where a key is gone or means another thing


def storage(command: Any) -> Any:
    """Adds --storage, which every command that is named then carries."""
    return click.option(
        "--storage", metavar="URL", default=DEFAULT_STORAGE, show_default=True, callback=_kept_in,
        help="Database for Optuna's tables and the raw samples.",
    )(command)  # fmt: skip


def _kept_in(_context: Any, _option: Any, url: str) -> str:
    if url == DEFAULT_STORAGE:
        text.keep_in("")
    else:
        from ..runs.address import shown

        text.keep_in(shown(url))
    return url


def lang(command: Any) -> Any:
    """Adds --lang, which is no argument of the command."""
    return click.option(
        "--lang", type=click.Choice(LANGUAGES), expose_value=False, is_eager=True,
        callback=lambda _context, _option, value: language.use(value),
        help="Language of what is printed.  [default: the locale's]",
    )(command)  # fmt: skip


def no_wait(command: Any) -> Any:
    """Adds --no-wait."""
    return click.option(
        "--no-wait", is_flag=True,
        help="Fail when another study is measured on the device, instead of waiting.",
    )(command)  # fmt: skip


def take_over(command: Any) -> Any:
    """Adds --take-over."""
    return click.option(
        "--take-over", is_flag=True,
        help="Although the study's owner is on a host that cannot be seen.",
    )(command)  # fmt: skip


def file_option(default: str) -> Callable[[Any], Any]:
    """Adds -o, the file that is written. default: where it goes, in words."""
    return click.option(
        "-o", "--output", type=click.Path(dir_okay=False, path_type=Path),
        help=f"File to write.  [default: {default}]",
    )  # fmt: skip


def json_option(command: Any) -> Any:
    """Adds --json."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, on standard output.")(
        command
    )


def print_json(data: Mapping[str, Any]) -> None:
    """The one place that prints JSON, so that all of it tells its version."""
    click.echo(json.dumps({"format_version": JSON_VERSION, **data}, indent=2))


@contextlib.contextmanager
def interruptible(console: Console) -> Iterator[Any]:
    """Ctrl-C once: finish the run in hand; twice, or SIGTERM: stop now."""
    presses = 0

    def on_interrupt(number: int, _: Any) -> None:
        nonlocal presses
        presses += 1
        if presses > 1 or number == signal.SIGTERM:
            raise KeyboardInterrupt
        console.print(say("finishing the run in hand; Ctrl-C again stops now"))

    before = {n: signal.signal(n, on_interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: presses > 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def live(console: Console, silent: bool) -> Iterator[Any]:
    """A line that is redrawn on events only; nothing where the output is no terminal."""
    from rich.live import Live
    from rich.text import Text

    if silent or not console.is_terminal:
        yield lambda _: None
        return
    with Live(console=console, auto_refresh=False, transient=True) as view:
        yield lambda line: view.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)


def console_of(stderr: bool = False) -> Console:
    """Where it is printed."""
    from rich.console import Console

    # A pipe has no width of its own, and a table folded to 80 columns is hard to search.
    plain = not (sys.stderr if stderr else sys.stdout).isatty()
    # No markup: a message such as "[enforce fail at alloc.cpp:117]" is not a style.
    width = 160 if plain else None
    return Console(stderr=stderr, highlight=False, markup=False, width=width)
