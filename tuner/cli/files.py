"""The commands that write a file of a study: export, report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UsageError
from ..language import N_, say
from ..options import RESULTS
from ..runs.folder import put
from .common import file_option, json_option, lang, print_json, storage
from .named import best_of, study_of

if TYPE_CHECKING:
    from ..deploy.best import BestConfiguration
    from ..evidence.summary import Summary
    from ..space.schema import KnobEntry


@click.command()
@click.argument("study", metavar="STUDY|BEST.yaml")
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "env", "dockerfile", "python"]),
    default="yaml",
    show_default=True,
    help="env: lines for a shell; dockerfile: ENV lines; python: a module to import before torch.",
)
@file_option("results/<study>.<yaml, env, Dockerfile or py>")
@json_option
@storage
@lang
def export(study: str, form: str, output: Path | None, as_json: bool, storage: str) -> None:
    """Write the best configuration of a study as YAML, or for a shell, Docker or Python."""
    from ..deploy import best as export_file
    from ..deploy import formats
    from ..text import resume_command

    best, summary = best_of(study, storage)
    path = output or formats.path_of(RESULTS, best.study, form)
    lines = [say("written: {path}", path=path)]
    if form == "yaml":
        export_file.write(best, path)
    else:
        entries, stages = _knobs(best, summary, study)
        export_file.write_text(formats.text(best, form, entries, stages), path)
        if form == "python" and path.is_file():
            lines += _engines_file(path, summary, formats.engine_of(best, entries))
    for line in lines:
        click.echo(line, err=as_json)
    if as_json:
        data = {"file": str(path), "format": form, "study": best.study}
        print_json({**data, "recommendation": best.recommendation})
    if best.recommendation == "confirm first":
        next_step = resume_command(best.study, "--confirm", "auto")
        text = N_("from single runs, not confirmed; before it is applied: {command}")
        click.echo(say(text, command=next_step), err=True)


def _knobs(
    best: BestConfiguration, summary: Summary | None, name: str
) -> tuple[dict[str, KnobEntry], dict[str, str]]:
    """What search spaces say of the knobs, and how each is applied: a study knows that itself."""
    from ..options import from_dict
    from ..space import file

    knobs, asked = best.configuration, best.measured_with
    if summary is not None:
        asked = from_dict(summary.study.setup)
    space, folder = (asked.space, asked.folder) if asked else ("", "")
    entries = file.entries_of(knobs, best.backend, space, folder)
    if summary is not None:
        return entries, {knob.name: knob.apply for knob in summary.space.knobs}
    missing = ", ".join(knob for knob in knobs if knob not in entries)
    if missing:
        raise UsageError(
            f"{name}: no search space here has {missing}: put its file back where it was, or "
            f"export the study itself, {best.study}"
        )
    return entries, {knob: entry.apply for knob, entry in entries.items()}


def _engines_file(path: Path, summary: Summary | None, engine: str) -> Iterator[str]:
    """What became of the file that an engine loads, where there is one."""
    from ..evidence.conclude import conclude

    exported = conclude(summary).exported if summary else ""
    if summary and exported:
        yield beside(path, RESULTS / f"{summary.study.name}-{exported}")
    elif engine:
        text = N_(
            "which file {engine} loads, only the study knows: prepare(model, inputs) makes it anew"
        )
        yield say(text, engine=engine)


def beside(path: Path, kept: Path) -> str:
    """Put the file that an engine loads beside the module; what became of it."""
    target = path.with_name(f"{path.stem}-{kept.name.rpartition('-')[2]}")
    try:
        if target.absolute() != kept.absolute():
            put(kept, target)
    except OSError as error:
        text = N_("without the engine's file ({why}): prepare(model, inputs) makes it anew")
        return say(text, why=f"{error.filename or target}: {error.strerror}")
    return say("the engine's file: {path}", path=target)


@click.command()
@click.argument("studies", metavar="STUDY…", nargs=-1, required=True)
@file_option("results/<study>.html")
@json_option
@storage
@lang
def report(studies: tuple[str, ...], output: Path | None, as_json: bool, storage: str) -> None:
    """Write one HTML file of studies; of several, the others are compared with the first."""
    from ..deploy.best import write_text
    from ..runs.store import Store
    from ..study import stored
    from ..views import report as reporting

    store = Store(storage, reads=True)
    names = [study_of(store, name) for name in studies]
    path = output or RESULTS / f"{names[0]}.html"
    write_text(reporting.report([stored.load(store, name) for name in names]), path)
    if as_json:
        print_json({"file": str(path), "studies": names})
    else:
        click.echo(say("written: {path}", path=path))
