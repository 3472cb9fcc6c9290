"""`npu-tune delete`."""

from __future__ import annotations

import sys

import click

from ..errors import Interrupted, UsageError
from ..language import say
from .common import json_option, lang, print_json, storage, take_over
from .named import is_file


@click.command()
@click.argument("studies", metavar="STUDY…", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@take_over
@json_option
@storage
@lang
def delete(
    studies: tuple[str, ...], yes: bool, take_over: bool, as_json: bool, storage: str
) -> None:
    """Delete studies with all their runs. Exported files stay, and are named."""
    from ..runs.store import Store
    from ..study import removal, stored

    store, names = Store(storage, create=False), list(dict.fromkeys(studies))
    for name in names:
        if is_file(name) and not store.study(name):
            raise UsageError(f"{name}: name the study; its exported file is yours to remove")
    done = {name: stored.load(store, name).trials_done for name in names}  # all are there, or none
    if not yes:
        _ask(done, store.url)
    removed = []
    try:
        for name in names:
            one = removal.remove(store, name, take_over)
            removed.append(one)
            click.echo(say("deleted: study {name}, {n} runs", name=name, n=one.runs), err=as_json)
            for path in one.kept:
                click.echo(say("kept: {path}", path=path), err=as_json)
    finally:  # what is gone before an error of the next
        store.close()
        if as_json:
            print_json({"deleted": [one.to_dict() for one in removed]})


def _ask(trials_done: dict[str, int], url: str) -> None:
    """Raises UsageError where nobody can be asked, Interrupted for no."""
    named = [say("{name} ({n} trials)", name=name, n=n) for name, n in trials_done.items()]
    shown = ", ".join(named)
    if not sys.stdin.isatty():
        raise UsageError(f"delete {shown} of {url}: there is no terminal to ask on; add --yes")
    if not click.confirm(say("delete {studies} of {url}?", studies=shown, url=url), err=True):
        raise Interrupted("nothing was deleted")
