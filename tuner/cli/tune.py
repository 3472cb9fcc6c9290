"""`npu-tune tune`: options as a Setup, the study, its result."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import Interrupted, UsageError
from ..language import say
from ..options import BACKENDS, CHOICES, DEFAULT_STORAGE, RESULTS, TIMED_REGIONS
from .common import console_of, interruptible, lang, live, no_wait, storage

if TYPE_CHECKING:
    from rich.console import Console

    from ..evidence.result import Result
    from ..options import Setup

CHANGED_ON_RESUME = (
    "trials", "budget_s", "target_effect", "timeout_s", "memory_limit_bytes", "confirm",
    "ablate",
)  # fmt: skip
EPILOG = (
    "Exit codes: 0 done; 1 other error; 2 wrong option, model name or search space file; "
    "3, 5 see check; 4 unfit environment; 6 the model does not run as it is; 7 study conflict; "
    "8 storage; 130 interrupted."
)


@click.command(epilog=EPILOG)
@click.option(
    "--model",
    metavar="MODEL",
    help="torchvision name, file.py:factory, package.module:factory, TorchScript .pt or .pt2.",
)
@click.option(
    "--trials", type=int, help="Configurations to try, the baseline included.  [default: 40]"
)
@click.option(
    "--budget",
    metavar="MINUTES",
    type=float,
    help="Time for search and confirmation, instead of --trials.",
)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="auto: the NPU where there is one.  [default: auto]",
)
@click.option("--space", metavar="NAME|FILE", help="Search space.  [default: the backend's own]")
@click.option(
    "--set",
    "pins",
    metavar="KNOB=VALUE",
    multiple=True,
    help="Fix a knob in the search; may be repeated.",
)
@click.option("--objective", type=click.Choice(CHOICES["objective"]), help="[default: latency]")
@click.option("--max-latency-ms", type=float, help="Limit for --objective throughput.")
@click.option(
    "--timed-region",
    type=click.Choice(TIMED_REGIONS),
    help="What a timed call holds.  [default: inference]",
)
@click.option(
    "--input",
    "inputs",
    metavar="SHAPE[:DTYPE]",
    multiple=True,
    help="Input shape, for example 1x3x224x224; one for each positional input.",
)
@click.option(
    "--weights",
    metavar="DEFAULT|FILE",
    help="torchvision's own weights, or a state dict.  [default: seeded random]",
)
@click.option("--study", "name", metavar="NAME", help="Name of the study.  [default: <model>-<n>]")
@click.option(
    "--resume",
    is_flag=True,
    help="Continue a study: the one named by --study, or the newest open one.",
)
@click.option(
    "--take-over",
    is_flag=True,
    help="Resume although the study's owner is on a host that cannot be seen.",
)
@storage
@click.option(
    "--timeout",
    "timeout_s",
    metavar="SECONDS",
    type=float,
    help="Deadline of one run.  [default: 10 times the baseline's, at least 120]",
)
@click.option("--memory-limit", metavar="SIZE", help="Memory limit of one run, for example 4GiB.")
@click.option(
    "--tolerance",
    type=float,
    help="Allowed output error, relative to the largest output.  [default: 0.001]",
)
@click.option(
    "--allow-lossy", is_flag=True, default=None, help="Search knobs that change the numbers, too."
)
@click.option(
    "--confirm",
    metavar="auto|off|N",
    help="Pairs of fresh runs, best against baseline; auto: 8, and up to 24 while promising but "
    "unclear.  [default: auto]",
)
@click.option(
    "--target-effect",
    metavar="PERCENT",
    help="Plan as many pairs as show this gain, for example 2%; says what that costs.",
)
@click.option(
    "--ablate",
    is_flag=True,
    default=None,
    help="After a confirmed win: measure what each of its knobs does, and export the needed ones.",
)
@click.option("--seed", type=int, help="Seed of weights, inputs and search.  [default: 0]")
@click.option("--cpus", metavar="LIST", help="Processors for the runs, for example 0-3,6.")
@click.option("--device", type=int, help="Number of the NPU, from 0.  [default: 0]")
@click.option("--python", metavar="PATH", help="The workers' interpreter.  [default: this one]")
@click.option(
    "--env-script",
    metavar="FILE",
    help="Sourced by bash for the workers alone, for example CANN's set_env.sh.",
)
@click.option(
    "--launch-prefix",
    metavar="COMMAND",
    help="Reaches another environment that shares this folder: 'docker exec -i NAME'.",
)
@no_wait
@click.option("--quiet", is_flag=True, help="Print the result only.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
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

    console = console_of(stderr=as_json)
    if not resume and not options["model"]:
        raise UsageError("--model is missing; for example: npu-tune --model mobilenet_v2")
    asked = None if resume else _setup(options, None)
    store = Store(storage, create=not resume)
    if resume:
        name = name or session.find_unfinished(store)
        record = stored.load(store, name).study
        asked = _setup(options, record.setup)
    assert asked is not None
    name = name or session.new_name(store, asked)
    silent = quiet or as_json

    def note(text: str) -> None:
        if not silent:
            console.print(text)

    def on_wait(text: str) -> None:
        click.echo(text, err=True) if silent else note(text)

    with interruptible(console) as stop, live(console, silent) as redraw:
        progress = Progress(OBJECTIVES[asked.objective], redraw)
        caller = Caller(progress, stop, note, None if no_wait else on_wait)
        try:
            if resume:
                summary = session.resume(asked, store, name, caller, take_over)
            else:
                summary = session.tune(asked, store, name, caller)
        except (Interrupted, KeyboardInterrupt) as error:
            if store.study(name) is None:
                raise Interrupted("stopped before the study began") from error
            raise Interrupted(_how_to_resume(name, storage)) from error
        finally:
            store.close()
    _print_finished(console, *best.export(summary, RESULTS), as_json)


def _setup(options: dict[str, Any], stored: dict[str, Any] | None) -> Setup:
    """The options as a Setup; on resume those that were given must not contradict the stored."""
    from .. import options as study_options

    given: dict[str, Any] = {k: v for k, v in options.items() if v not in (None, (), "")}
    given.update(parsed(given))
    if stored is None:
        return study_options.Setup(**given, folder=str(Path.cwd())).check()
    kept = study_options.to_dict(study_options.from_dict(stored))
    if "trials" in given:
        kept["budget_s"] = None
    for key, value in given.items():
        same = list(value) if isinstance(value, tuple) else value
        if key not in CHANGED_ON_RESUME and kept[key] != same:
            raise UsageError(
                f"--resume: the study was begun with {key} {kept[key]!r}, not {value!r}; "
                "leave the option out, or start another study"
            )
    if "confirm" in given:
        kept["target_effect"] = None
        kept["ablate"] = kept["ablate"] and given["confirm"] != study_options.OFF
    if "target_effect" in given:
        kept["confirm"] = study_options.AUTO
    return study_options.from_dict({**kept, **given}).check()


def parsed(given: dict[str, Any]) -> dict[str, Any]:
    """The options that come as text, as fields of a Setup."""
    from .. import options as study_options

    parsed: dict[str, Any] = {}
    for text in given.get("inputs", ()):
        study_options.parse_input(text)
    if "budget" in given:
        if "trials" in given:
            raise UsageError("--budget says how long, --trials how many: give one of them")
        parsed["budget_s"] = 60 * given.pop("budget")
    if "target_effect" in given:
        parsed["target_effect"] = study_options.parse_share(given["target_effect"])
    if "pins" in given:
        parsed["pins"] = study_options.parse_pins(given["pins"])
    if given.get("env_script"):
        parsed["env_script"] = str(Path.cwd() / given["env_script"])
    if "cpus" in given:
        parsed["cpus"] = study_options.parse_cpus(given["cpus"])
    if "memory_limit" in given:
        parsed["memory_limit_bytes"] = study_options.parse_bytes(given.pop("memory_limit"))
    return parsed


def _how_to_resume(name: str, storage: str) -> str:
    from ..runs.database import shown
    from ..text import resume_command

    elsewhere = storage != DEFAULT_STORAGE
    more = f"--storage {shlex.quote(shown(storage))}" if elsewhere else ""
    command = resume_command(name, more)
    return say("stopped; everything recorded is kept. Continue with: {command}", command=command)


def _print_finished(console: Console, result: Result, path: Path, as_json: bool) -> None:
    from ..views.result import closing

    if as_json:
        click.echo(json.dumps({"file": str(path), **result.to_dict()}, indent=2))
    else:
        console.print(closing(result, path))
