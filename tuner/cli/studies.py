"""The commands about stored studies: list, show, export, report, rerun, profile."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..language import N_, say
from ..options import DEFAULT_STORAGE, RESULTS, from_dict
from ..runs.folder import put
from .common import console_of, lang, no_wait, storage
from .options import where_instead, without_unset


@click.command("list")
@storage
@lang
def list_studies(storage: str) -> None:
    """List the studies."""
    from ..runs import database
    from ..runs.store import Store
    from ..views import studies as studies_view

    if storage == DEFAULT_STORAGE and database.is_missing(storage):
        console_of().print(studies_view.studies([], {}))
        return
    store = Store(storage, reads=True)
    console_of().print(studies_view.studies(store.studies(), store.trials_done()))


@click.command()
@click.argument("study")
@click.option("--trial", type=int, help="Show the runs of one trial in full.")
@storage
@lang
def show(study: str, trial: int | None, storage: str) -> None:
    """Show a study: environment, every configuration, failures, the result."""
    from ..errors import StudyConflictError
    from ..evidence.conclude import conclude
    from ..runs import owner
    from ..runs.store import Store
    from ..study import repeat, stored
    from ..views import result
    from ..views import studies as studies_view

    store, console = Store(storage, reads=True), console_of()
    summary = stored.load(store, study)
    if trial is not None:
        console.print(studies_view.trial(summary, repeat.runs_of_trial(store, study, trial)))
        return
    console.print(studies_view.study(summary, console.width), "")
    path = RESULTS / f"{study}.yaml"
    with contextlib.suppress(StudyConflictError):  # nothing was measured yet
        console.print(result.closing(conclude(summary), path if path.exists() else None))
    running = summary.study.owner
    if running and owner.lives(running):
        text = N_("not finished: process {pid} is measuring; this is what is there so far")
        console.print(say(text, pid=running["pid"]))


@click.command()
@click.argument("study")
@click.option(
    "--format",
    "form",
    type=click.Choice(["yaml", "env", "dockerfile", "python"]),
    default="yaml",
    show_default=True,
    help="env: lines for a shell; dockerfile: ENV lines; python: a module to import before torch.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: results/<study>.<yaml, env, Dockerfile or py>]",
)
@storage
def export(study: str, form: str, output: Path | None, storage: str) -> None:
    """Write the best configuration of a study as YAML, or for a shell, Docker or Python."""
    from ..deploy import best as export_file
    from ..deploy import formats
    from ..evidence.conclude import conclude
    from ..runs.store import Store
    from ..space import file as space_file
    from ..study import stored
    from ..text import resume_command

    summary = stored.load(Store(storage, reads=True), study)
    result = conclude(summary)
    best = export_file.best_configuration(result, summary.study.setup)
    path = output or formats.path_of(RESULTS, study, form)
    if form == "yaml":
        export_file.write(best, path)
    else:
        setup = from_dict(summary.study.setup)
        knobs, backend = best.configuration, best.backend
        entries = space_file.entries_of(knobs, backend, setup.space, setup.folder)
        stages = {knob.name: knob.apply for knob in summary.space.knobs}
        export_file.write_text(formats.text(best, form, entries, stages), path)
    click.echo(f"written: {path}")
    if form == "python" and result.exported and path.is_file():
        click.echo(beside(path, RESULTS / f"{study}-{result.exported}"))
    if best.recommendation == "confirm first":
        next_step = resume_command(study, "--confirm", "auto")
        click.echo(f"from single runs, not confirmed; before it is applied: {next_step}", err=True)


def beside(path: Path, kept: Path) -> str:
    """Put the file that an engine loads beside the module; what became of it."""
    target = path.with_name(f"{path.stem}-{kept.name.rpartition('-')[2]}")
    try:
        if target.absolute() != kept.absolute():
            put(kept, target)
    except OSError as error:
        why = f"{error.filename or target}: {error.strerror}"
        return f"without the engine's file ({why}): prepare(model, inputs) makes it anew"
    return f"the engine's file: {target}"


@click.command()
@click.argument("studies", metavar="STUDY…", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: results/<study>.html]",
)
@storage
@lang
def report(studies: tuple[str, ...], output: Path | None, storage: str) -> None:
    """Write one HTML file of studies; of several, the others are compared with the first."""
    from ..deploy.best import write_text
    from ..runs.store import Store
    from ..study import stored
    from ..views import report as reporting

    store = Store(storage, reads=True)
    summaries = [stored.load(store, name) for name in studies]
    text = reporting.report(summaries)
    path = output or RESULTS / f"{studies[0]}.html"
    write_text(text, path)
    click.echo(f"written: {path}")


@click.command()
@click.argument("study")
@click.option("--trial", type=int, required=True, help="The trial to repeat.")
@where_instead
@no_wait
@storage
@lang
def rerun(study: str, trial: int, no_wait: bool, storage: str, **options: Any) -> None:
    """Repeat one trial outside the record, showing its command and its log.

    Exit code 0: it ran well; 1: its configuration failed; 4: the environment did; the others as
    everywhere.
    """
    from ..runs.store import Store
    from ..study import repeat

    on_wait, store = None if no_wait else click.echo, Store(storage, reads=True)
    place = without_unset(options)
    code = repeat.repeat_trial(store, study, trial, click.echo, on_wait, place)
    raise SystemExit(code)


@click.command()
@click.argument("study")
@click.option("--trial", type=int, help="The trial whose configuration is profiled.")
@click.option("--best", is_flag=True, help="What is to be applied: what happens without --trial.")
@click.option("--baseline", is_flag=True, help="The environment as it was.")
@where_instead
@no_wait
@storage
@click.option("--json", "as_json", is_flag=True, help="Print the profile as JSON.")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder for the trace.  [default: results/profile/<study>-<trial>]",
)
@lang
def profile(
    study: str,
    trial: int | None,
    best: bool,
    baseline: bool,
    no_wait: bool,
    storage: str,
    as_json: bool,
    output: Path | None,
    **options: Any,
) -> None:
    """Run one configuration under the profiler, and say where the time of a call goes."""
    from ..diagnose import profile as profiling
    from ..runs.store import Store
    from ..study import repeat, stored
    from ..views import profile as profile_view

    if (trial is not None) + best + baseline > 1:
        raise UsageError("--trial, --best and --baseline exclude each other: give one of them")
    store = Store(storage, reads=True)
    if trial is None:
        recorded = profiling.choose(stored.load(store, study), baseline)
    else:
        recorded = repeat.runs_of_trial(store, study, trial)[-1]
    number = recorded.trial
    folder = output or RESULTS / "profile" / f"{study}-{number}"
    console_of(stderr=True).print(say("trial {n} under the profiler, about a minute", n=number))
    on_wait = None if no_wait else lambda text: click.echo(text, err=True)
    place = without_unset(options)
    result = profiling.profile(store, study, recorded, place, folder, on_wait)
    if as_json:
        click.echo(json.dumps(result.to_dict(), indent=2))
    else:
        console_of().print(profile_view.profile(result))
