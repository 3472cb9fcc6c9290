"""`npu-tune tune`: options as a Setup, the study, its result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Interrupted, UsageError
from ..language import say
from ..options import RESULTS, new_setup, resumed_setup
from ..text import command, resume_command
from .common import (
    console_of,
    interruptible,
    json_option,
    lang,
    live,
    no_wait,
    print_json,
    storage,
    take_over,
)
from .options import study_options, without_unset

if TYPE_CHECKING:
    from rich.console import Console

    from ..evidence.result import Result


@click.command()
@study_options
@click.option("--study", "name", metavar="NAME", help="Name of the study.  [default: <model>-<n>]")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue a study: the one named by --study, or the newest open one.",
)
@take_over
@storage
@no_wait
@click.option("--quiet", is_flag=True, help="Print the result only.")
@json_option
@lang
def tune(
    name: str | None,
    resume: bool,
    take_over: bool,
    no_wait: bool,
    storage: str,
    quiet: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Search for the best configuration of a model, and confirm it with fresh runs."""
    from ..deploy import best
    from ..evidence.objectives import OBJECTIVES
    from ..runs.store import Store
    from ..study import session, stored
    from ..study.progress import Progress
    from ..study.runner import Caller

    console, values = console_of(stderr=as_json), without_unset(options)
    if resume:
        store = Store(storage, create=False)
        name = name or session.find_unfinished(store)
        setup = resumed_setup(stored.load(store, name).study.setup, values)
    else:
        if "model" not in values:
            example = command("--model", "mobilenet_v2")
            raise UsageError(f"--model is missing; for example: {example}")
        setup = new_setup(values)
        store = Store(storage)
        name = name or session.new_name(store, setup)
    silent = quiet or as_json

    def note(text: str) -> None:
        if not silent:
            console.print(text)

    def on_wait(text: str) -> None:
        click.echo(text, err=True) if silent else note(text)

    with interruptible(console) as stop, live(console, silent) as redraw:
        progress = Progress(OBJECTIVES[setup.objective], redraw)
        caller = Caller(progress, stop, note, None if no_wait else on_wait)
        try:
            if resume:
                summary = session.resume(setup, store, name, caller, take_over)
            else:
                summary = session.tune(setup, store, name, caller)
        except (Interrupted, KeyboardInterrupt) as error:
            if store.study(name) is None:
                raise Interrupted("stopped before the study began") from error
            raise Interrupted(_how_to_resume(name)) from error
        finally:
            store.close()
    _print_finished(console, *best.export(summary, RESULTS), as_json)


def _how_to_resume(name: str) -> str:
    again = resume_command(name)
    return say("stopped; everything recorded is kept. Continue with: {command}", command=again)


def _print_finished(console: Console, result: Result, path: Path, as_json: bool) -> None:
    from ..views.result import closing

    if as_json:
        print_json({"file": str(path), **result.to_dict()})
    else:
        console.print(closing(result, path))
