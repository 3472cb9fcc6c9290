"""`npu-tune noise`: how much this host moves, and what can be shown on it."""

from __future__ import annotations

import functools
from typing import Any

import click

from ..options import OFF, WHERE, new_setup
from .common import console_of, interruptible, json_option, lang, live, no_wait, print_json, storage
from .options import study_options, without_unset

MODEL = "mobilenet_v2"
OPTIONS = {
    "model": MODEL, "backend": "", "timeout_s": "", "cpus": "", **dict.fromkeys(WHERE, ""),
}  # fmt: skip


@click.command()
@functools.partial(study_options, defaults=OPTIONS)
@no_wait
@json_option
@storage
@lang
def noise(no_wait: bool, as_json: bool, storage: str, **options: Any) -> None:
    """Which gains can be shown on this host? The baseline against itself, two minutes."""
    from ..evidence.objectives import OBJECTIVES
    from ..runs.store import Store
    from ..study import noise as measuring
    from ..study.progress import Progress
    from ..study.runner import Caller
    from ..views import noise as noise_view

    values = {"model": MODEL, **without_unset(options), "trials": 1, "confirm": OFF}
    setup, console = new_setup(values), console_of(stderr=as_json)

    def note(text: str) -> None:
        if not as_json:
            console.print(text)

    on_wait = None if no_wait else lambda text: click.echo(text, err=True)
    with interruptible(console) as stop, live(console, as_json) as redraw:
        progress = Progress(OBJECTIVES[setup.objective], redraw, equals=True)
        caller = Caller(progress, stop, note, on_wait)
        result = measuring.noise(setup, Store(storage), caller)
    if as_json:
        print_json(result.to_dict())
    else:
        console.print(noise_view.noise(result))
    raise SystemExit(result.exit_code)
