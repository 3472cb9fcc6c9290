"""The commands for applying a result and for after an upgrade: run, check, compare."""

from __future__ import annotations

import functools
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..language import say
from ..options import OFF, values_of
from .common import console_of, interruptible, json_option, lang, live, no_wait, print_json, storage
from .named import best_of, study_of
from .options import IN_CHECK, of_each, study_options, where_each, without_unset

if TYPE_CHECKING:
    from ..evidence.summary import Summary


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("best", metavar="STUDY|BEST.yaml")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--space", default="", metavar="FILE", help="Search space, where it is your own.")
@storage
@lang
def run(best: str, command: tuple[str, ...], space: str, storage: str) -> None:
    """Start a program with a best configuration: npu-tune run STUDY -- python serve.py

    Options of this command stand before STUDY.

    Sets the environment, and what is set inside the process as soon as torch is imported. It takes
    this command's place: signals and exit codes are the program's own.
    """
    import os

    from ..deploy import apply

    program = command[1:] if command[0] == "--" else command
    settings = apply.settings_of(best_of(best, storage)[0], best, space, program[:1])
    for line in apply.lines(settings):
        click.echo(f"npu-tune: {line}", err=True)
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, and exec hands that on
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvpe(program[0], program, apply.environment(settings, os.environ))
    except (OSError, IndexError) as error:
        name = program[0] if program else "--"
        raise UsageError(f"{name}: cannot be started: {error}") from error


@click.command()
@click.argument("best", metavar="STUDY|BEST.yaml")
@functools.partial(study_options, defaults=IN_CHECK)
@no_wait
@click.option("--keep", is_flag=True, help="Keep the fresh runs as a study, for show and report.")
@click.option("--quiet", is_flag=True, help="Print the answer only.")
@json_option
@storage
@lang
def check(
    best: str,
    no_wait: bool,
    keep: bool,
    quiet: bool,
    as_json: bool,
    storage: str,
    **options: Any,
) -> None:
    """Does a best configuration still hold here? For CI, after an upgrade.

    It loads the model and the search space that the file names.
    """
    from ..deploy import check as checking
    from ..evidence.objectives import OBJECTIVES
    from ..runs.store import Store
    from ..study.progress import Progress
    from ..study.runner import Caller
    from ..views import compare as compare_view

    changes = values_of(without_unset(options))
    if changes.get("confirm") == OFF:
        raise UsageError("--confirm off: a check is nothing but that")
    if "model" in changes:
        changes["folder"] = str(Path.cwd())
    file, _ = best_of(best, storage)
    console, silent = console_of(stderr=as_json), quiet or as_json
    result = checking.without_measuring(file)

    def note(text: str) -> None:
        if not silent:
            console.print(text)

    on_wait = None if no_wait else lambda text: click.echo(text, err=True)
    if result is None:
        setup = checking.setup_of(file, best, changes)
        for name in setup.without:
            note(say("{name} is set here as in the file: the baseline runs without it", name=name))
        with interruptible(console) as stop, live(console, silent) as redraw:
            caller = Caller(Progress(OBJECTIVES[setup.objective], redraw), stop, note, on_wait)
            result = checking.check(file, setup, Store(storage), caller, keep)
    if as_json:
        print_json(result.to_dict())
    else:
        console.print(compare_view.check(result))
    raise SystemExit(checking.EXIT_CODES[result.answer])


@click.command()
@click.argument("first", metavar="STUDY")
@click.argument("others", metavar="STUDY…", nargs=-1, required=True)
@click.option("--remeasure", is_flag=True, help="Measure both now, in turns, in fresh pairs.")
@click.option(
    "--confirm", "pairs", type=int, default=8, metavar="N", show_default=True,
    help="Pairs of fresh runs, of --remeasure.",
)  # fmt: skip
@click.option("--pairs", "pairs_before", type=int, hidden=True)  # as --confirm was called
@where_each
@no_wait
@json_option
@storage
@lang
def compare(
    first: str,
    others: tuple[str, ...],
    remeasure: bool,
    pairs: int,
    pairs_before: int | None,
    no_wait: bool,
    as_json: bool,
    storage: str,
    **options: Any,
) -> None:
    """Compare studies of one model: versions of CANN, torch_npu or torch.

    Every other study is compared with the first one.
    """
    from ..deploy import compare as comparing
    from ..deploy import remeasure as fresh_pairs
    from ..runs.store import Store
    from ..study import stored
    from ..study.progress import Progress
    from ..study.runner import Caller
    from ..views import compare as compare_view

    store, console = Store(storage, reads=True), console_of(stderr=as_json)
    before, *rest = [stored.load(store, study_of(store, name)) for name in (first, *others)]
    comparisons: list[dict[str, Any]] = []
    pairs = pairs if pairs_before is None else pairs_before
    places = of_each(options, 1 + len(rest))
    if not remeasure and any(places):
        raise UsageError("where workers run is of --remeasure alone: add it, or leave that out")
    for after in rest if remeasure else ():
        fresh_pairs.require_comparable(before, after, pairs)
    on_wait = None if no_wait else lambda text: click.echo(text, err=True)
    try:
        with interruptible(console) as stop:
            for after, place in zip(rest, places[1:], strict=True):
                comparison, fresh = comparing.compare(before, after), None
                if remeasure and not stop():
                    with live(console, as_json) as redraw:
                        progress = Progress(before.objective, redraw)
                        caller = Caller(progress, stop, on_wait=on_wait)
                        sides = _at(before, places[0]), _at(after, place)
                        fresh = fresh_pairs.remeasure(*sides, pairs, caller)
                comparisons.append(
                    {**comparison.to_dict(), "remeasured": fresh.to_dict() if fresh else None}
                )
                if not as_json:
                    console.print(compare_view.comparison(comparison, fresh), "")
    finally:  # what was measured before an interruption, or an error of the next
        if as_json and comparisons:
            print_json({"comparisons": comparisons})


def _at(summary: Summary, place: dict[str, Any]) -> Summary:
    """The study, its workers at another place."""
    from ..study.repeat import elsewhere

    return replace(summary, study=elsewhere(summary.study, place))
