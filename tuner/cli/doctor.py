"""`npu-tune doctor`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..language import say
from ..options import values_of
from .common import console_of, interruptible, json_option, lang, live, print_json
from .options import where, without_unset

if TYPE_CHECKING:
    from ..diagnose.full import FullCheck
    from ..options import Setup


@click.command()
@where
@json_option
@click.option("--full", is_flag=True, help="Measure too: some minutes, into one small file.")
@click.option(
    "--model", metavar="MODEL", default="mobilenet_v2", show_default=True, help="For --full."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("npu-tune-full-check.json.gz"),
    show_default=True,
    help="File that --full writes.",
)
@click.option(
    "--read",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show a file that --full has written, here or elsewhere.",
)
@lang
def doctor(
    as_json: bool,
    full: bool,
    model: str,
    output: Path,
    read: Path | None,
    **options: Any,
) -> None:
    """Check interpreter, torch, torch_npu, CANN, devices and host; say what to do."""
    from dataclasses import asdict

    from ..diagnose import full as full_check
    from ..diagnose.doctor import examine
    from ..views import doctor as doctor_view

    if full and read:
        raise UsageError("--full measures, --read shows what was measured: give one of them")
    place = values_of(without_unset(options))
    if full or read is not None:
        setup = full_check.setup(model, place)
        check = full_check.read(read) if read else _full_check(setup, output, as_json)
        findings = list(check.findings)
        view, data = doctor_view.full(check), check.to_dict()
    else:
        findings = examine(**place)
        view, data = doctor_view.findings(findings), {"checks": [asdict(f) for f in findings]}
    if as_json:
        print_json(data)
    else:
        console_of().print(view)
    if full:
        click.echo(say("written: {path}", path=output), err=as_json)
        if check.stopped:
            raise SystemExit(1)
    raise SystemExit(4 if any(finding.state == "FAIL" for finding in findings) else 0)


def _full_check(setup: Setup, output: Path, silent: bool) -> FullCheck:
    """Measure with the live line, and Ctrl-C as in `tune`."""
    from ..diagnose import full as full_check
    from ..evidence.objectives import OBJECTIVES
    from ..study.progress import Progress
    from ..study.runner import Caller

    console = console_of(stderr=True)

    def note(text: str) -> None:
        if not silent:
            console.print(text)

    with interruptible(console) as stop, live(console, silent) as redraw:
        progress = Progress(OBJECTIVES[setup.objective], redraw)
        on_wait = functools.partial(click.echo, err=True)
        return full_check.make(setup, output, Caller(progress, stop, note, on_wait))
