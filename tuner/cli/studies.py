"""The commands about stored studies: list, show, rerun, profile."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any

import click

from ..errors import UsageError
from ..language import N_, say
from ..options import DEFAULT_STORAGE, RESULTS
from .common import console_of, json_option, lang, no_wait, print_json, storage
from .named import study_of
from .options import where_instead, without_unset


@click.command("list")
@json_option
@storage
@lang
def list_studies(as_json: bool, storage: str) -> None:
    """List the studies."""
    from ..runs import database
    from ..runs.store import Store
    from ..views import data
    from ..views import studies as studies_view

    records, trials_done = [], {}
    if not (storage == DEFAULT_STORAGE and database.is_missing(storage)):
        store = Store(storage, reads=True)
        records, trials_done = store.studies(), store.trials_done()
    if as_json:
        print_json(data.studies(records, trials_done))
    else:
        console_of().print(studies_view.studies(records, trials_done))


@click.command()
@click.argument("study", metavar="STUDY")
@click.option("--trial", type=int, help="Show the runs of one trial in full.")
@json_option
@storage
@lang
def show(study: str, trial: int | None, as_json: bool, storage: str) -> None:
    """Show a study: environment, every configuration, failures, the result."""
    from ..errors import StudyConflictError
    from ..evidence.conclude import conclude
    from ..runs import owner
    from ..runs.store import Store
    from ..study import repeat, stored
    from ..views import data, result
    from ..views import studies as studies_view

    store, console = Store(storage, reads=True), console_of()
    study = study_of(store, study)
    summary = stored.load(store, study)
    if trial is not None:
        runs = repeat.runs_of_trial(store, study, trial)
        if as_json:
            print_json(data.trial(summary, trial, runs))
        else:
            console.print(studies_view.trial(summary, runs))
        return
    running = summary.study.owner
    measuring = running["pid"] if running and owner.lives(running) else None
    if as_json:
        print_json(data.study(summary, measuring))
        return
    console.print(studies_view.study(summary, console.width), "")
    path = RESULTS / f"{study}.yaml"
    with contextlib.suppress(StudyConflictError):  # nothing was measured yet
        console.print(result.closing(conclude(summary), path if path.exists() else None))
    if measuring is not None:
        text = N_("not finished: process {pid} is measuring; this is what is there so far")
        console.print(say(text, pid=measuring))


@click.command()
@click.argument("study", metavar="STUDY")
@click.option("--trial", type=int, required=True, help="The trial to repeat.")
@where_instead
@no_wait
@json_option
@storage
@lang
def rerun(
    study: str, trial: int, no_wait: bool, as_json: bool, storage: str, **options: Any
) -> None:
    """Repeat one trial outside the record, showing its command and its log."""
    from ..runs.store import Store
    from ..study import repeat

    store, place = Store(storage, reads=True), without_unset(options)
    study = study_of(store, study)
    echo = functools.partial(click.echo, err=as_json)
    on_wait = None if no_wait else echo
    repeated = repeat.repeat_trial(store, study, trial, echo, on_wait, place)
    if as_json:
        print_json(repeated.to_dict())
    raise SystemExit(repeated.exit_code)


@click.command()
@click.argument("study", metavar="STUDY")
@click.option("--trial", type=int, help="The trial whose configuration is profiled.")
@click.option("--best", is_flag=True, help="What is to be applied: what happens without --trial.")
@click.option("--baseline", is_flag=True, help="The environment as it was.")
@where_instead
@no_wait
@storage
@json_option
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
    study = study_of(store, study)
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
        print_json(result.to_dict())
    else:
        console_of().print(profile_view.profile(result))
