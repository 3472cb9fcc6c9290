"""The commands: parse, call, print. The only file that prints or exits.

Everything heavy is imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import __version__, language
from .errors import Interrupted, TunerError, UsageError
from .language import LANGUAGES, say
from .setup import DEFAULT_STORAGE, TIMED_REGIONS

if TYPE_CHECKING:
    from rich.console import Console

    from .full_check import FullCheck
    from .session import Finished
    from .setup import Setup

CHANGED_ON_RESUME = (
    "trials", "budget_s", "target_effect", "timeout_s", "memory_limit_bytes", "confirm",
    "ablate",
)  # fmt: skip
EPILOG = (
    "Exit codes: 0 done; 1 other error; 2 wrong option, model name or search space file; "
    "4 unfit environment; 6 the model does not run as it is; 7 study conflict; 8 storage; "
    "130 interrupted."
)


class TuneByDefault(click.Group):
    """`npu-tune --model …` is `npu-tune tune --model …`; errors become one line and a code."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `tune` in front of options that are not the group's own."""
        if args and args[0].startswith("-") and args[0] not in ("--help", "-h", "--version"):
            args = ["tune", *args]
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """The one place where an error is shown."""
        # As Ctrl-C: what a command has made is removed, and its worker is ended, on the way out.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            return super().invoke(ctx)
        except TunerError as error:
            if str(error):
                click.echo(f"npu-tune: {error}", err=True)
            ctx.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("npu-tune: interrupted", err=True)
            ctx.exit(Interrupted.exit_code)


@click.group(
    cls=TuneByDefault,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="npu-tune")
def main() -> None:
    """Find the settings that make a model fast on an Ascend NPU or a CPU, and prove it.

    `npu-tune --model mobilenet_v2` is short for `npu-tune tune --model mobilenet_v2`.
    """


def _storage(command: Any) -> Any:
    return click.option(
        "--storage", metavar="URL", default=DEFAULT_STORAGE, show_default=True,
        help="Database for Optuna's tables and the raw samples.",
    )(command)  # fmt: skip


def _lang(command: Any) -> Any:
    return click.option(
        "--lang", type=click.Choice(LANGUAGES), expose_value=False, is_eager=True,
        callback=lambda _context, _option, value: language.use(value),
        help="Language of what is printed.  [default: the locale's]",
    )(command)  # fmt: skip


def _no_wait(command: Any) -> Any:
    return click.option(
        "--no-wait", is_flag=True,
        help="Fail when another study is measured on the device, instead of waiting.",
    )(command)  # fmt: skip


@main.command(epilog=EPILOG)
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
    type=click.Choice(["auto", "npu", "cpu"]),
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
@click.option(
    "--objective", type=click.Choice(["latency", "throughput"]), help="[default: latency]"
)
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
@_storage
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
@_no_wait
@click.option("--quiet", is_flag=True, help="Print the result only.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@_lang
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
    from . import session
    from .objectives import OBJECTIVES
    from .progress import Progress
    from .store import Store

    console = _console(stderr=as_json)
    if not resume and not options["model"]:
        raise UsageError("--model is missing; for example: npu-tune --model mobilenet_v2")
    asked = None if resume else _setup(options, None)
    store = Store(storage)
    if resume:
        name = name or session.find_unfinished(store)
        record = session.load(store, name).study
        asked = _setup(options, record.setup)
    assert asked is not None
    name = name or session.new_name(store, asked)
    _check_name(name)
    silent = quiet or as_json

    def note(text: str) -> None:
        if not silent:
            console.print(text, highlight=False, markup=False)

    def on_wait(text: str) -> None:
        click.echo(text, err=True) if silent else note(text)

    with _interruptible(console) as stop, _live(console, silent) as redraw:
        progress = Progress(OBJECTIVES[asked.objective], redraw)
        try:
            finished = session.tune(
                asked, store, name, progress, stop, note, resume, take_over,
                on_wait=None if no_wait else on_wait,
            )  # fmt: skip
        except (Interrupted, KeyboardInterrupt) as error:
            if store.study(name) is None:
                raise Interrupted("stopped before the study began") from error
            raise Interrupted(_how_to_resume(name, storage)) from error
        finally:
            store.close()
    _print_finished(console, finished, as_json)


def _setup(options: dict[str, Any], stored: dict[str, Any] | None) -> Setup:
    """The options as a Setup; on resume those that were given must not contradict the stored."""
    from . import setup

    given: dict[str, Any] = {k: v for k, v in options.items() if v not in (None, (), "")}
    given.update(_parsed(given))
    if stored is None:
        return setup.Setup(**given, folder=str(Path.cwd())).check()
    kept = setup.to_dict(setup.from_dict(stored))
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
        kept["ablate"] = kept["ablate"] and given["confirm"] != setup.OFF
    if "target_effect" in given:
        kept["confirm"] = setup.AUTO
    return setup.from_dict({**kept, **given}).check()


def _parsed(given: dict[str, Any]) -> dict[str, Any]:
    from . import setup

    parsed: dict[str, Any] = {}
    for text in given.get("inputs", ()):
        setup.parse_input(text)
    if "budget" in given:
        if "trials" in given:
            raise UsageError("--budget says how long, --trials how many: give one of them")
        parsed["budget_s"] = 60 * given.pop("budget")
    if "target_effect" in given:
        parsed["target_effect"] = setup.parse_share(given["target_effect"])
    if "pins" in given:
        parsed["pins"] = setup.parse_pins(given["pins"])
    if "cpus" in given:
        parsed["cpus"] = setup.parse_cpus(given["cpus"])
    if "memory_limit" in given:
        parsed["memory_limit_bytes"] = setup.parse_bytes(given.pop("memory_limit"))
    return parsed


def _check_name(name: str) -> None:
    import re

    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name):
        raise UsageError(f"--study {name}: letters, digits, '_', '.' and '-' only, at most 100")


def _how_to_resume(name: str, storage: str) -> str:
    from .study import resume_command

    command = resume_command(name) + ("" if storage == DEFAULT_STORAGE else f" --storage {storage}")
    return say("stopped; everything recorded is kept. Continue with: {command}", command=command)


@contextlib.contextmanager
def _interruptible(console: Console) -> Iterator[Any]:
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
def _live(console: Console, silent: bool) -> Iterator[Any]:
    """A line that is redrawn on events only; nothing where the output is no terminal."""
    from rich.live import Live
    from rich.text import Text

    if silent or not console.is_terminal:
        yield lambda _: None
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda line: live.update(Text(line, overflow="ellipsis", no_wrap=True), refresh=True)


def _console(stderr: bool = False) -> Console:
    from rich.console import Console

    # A pipe has no width of its own, and a table folded to 80 columns is hard to search.
    plain = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, width=160 if plain else None)


def _print_finished(console: Console, finished: Finished, as_json: bool) -> None:
    from .closing import closing

    if as_json:
        click.echo(json.dumps({"file": str(finished.path), **finished.result.to_dict()}, indent=2))
    else:
        console.print(closing(finished.result, finished.path))


@main.command("list")
@_storage
@_lang
def list_studies(storage: str) -> None:
    """List the studies."""
    from . import terminal
    from .store import Store
    from .summary import finished_trials

    store = Store(storage)
    records = store.studies()
    done = {record.name: len(finished_trials(store.runs(record.name))) for record in records}
    _console().print(terminal.studies(records, done))


@main.command()
@click.argument("study")
@click.option("--trial", type=int, help="Show the runs of one trial in full.")
@_storage
@_lang
def show(study: str, trial: int | None, storage: str) -> None:
    """Show a study: environment, every configuration, failures, the result."""
    from . import closing, owner, repeat, session, terminal
    from .errors import StudyConflictError
    from .result import result
    from .store import Store

    store, console = Store(storage), _console()
    summary = session.load(store, study)
    if trial is not None:
        console.print(terminal.trial(summary, repeat.runs_of(store, study, trial)))
        return
    console.print(terminal.study(summary, console.width), "")
    path = session.RESULTS / f"{study}.yaml"
    with contextlib.suppress(StudyConflictError):  # nothing was measured yet
        console.print(closing.closing(result(summary), path if path.exists() else None))
    running = summary.study.owner
    if running and owner.lives(running):
        said = "not finished: process {pid} is measuring; this is what is there so far"
        console.print(say(said, pid=running["pid"]), highlight=False, markup=False)


@main.command()
@click.argument("study")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write.  [default: results/<study>.yaml]",
)
@_storage
def export(study: str, output: Path | None, storage: str) -> None:
    """Write the best configuration of a study as YAML."""
    from . import export as export_file
    from . import session
    from .result import result
    from .store import Store

    best = export_file.best_configuration(result(session.load(Store(storage), study)))
    path = output or session.RESULTS / f"{study}.yaml"
    export_file.write(best, path)
    click.echo(f"written: {path}")
    if best.recommendation == "confirm first":
        next_step = f"npu-tune --resume --study {study} --confirm auto"
        click.echo(f"from single runs, not confirmed; before it is applied: {next_step}", err=True)


@main.command()
@click.option("--python", metavar="PATH", default="", help="Interpreter.  [default: this one]")
@click.option("--device", type=int, help="Number of the NPU, from 0.  [default: 0]")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
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
@_lang
def doctor(
    python: str,
    device: int | None,
    as_json: bool,
    full: bool,
    model: str,
    output: Path,
    read: Path | None,
) -> None:
    """Check interpreter, torch, torch_npu, CANN, devices and host; say what to do.

    Exit code 4 where something must be mended first.
    """
    from dataclasses import asdict

    from . import doctor_view, full_check
    from .doctor import examine

    if full and read:
        raise UsageError("--full measures, --read shows what was measured: give one of them")
    if full or read is not None:
        asked = full_check.setup(model, python, device)
        found = full_check.read(read) if read else _full_check(asked, output, as_json)
        checks = list(found.checks)
        view, data = doctor_view.full(found), doctor_view.as_json(found)
    else:
        checks = examine(python, device)
        view, data = doctor_view.checks(checks), {"checks": [asdict(check) for check in checks]}
    if as_json:
        click.echo(json.dumps(data, indent=2))
    else:
        _console().print(view)
    if full:
        click.echo(say("written: {path}", path=output), err=as_json)
        if found.stopped:
            raise SystemExit(1)
    raise SystemExit(4 if any(check.state == "FAIL" for check in checks) else 0)


def _full_check(asked: Setup, output: Path, silent: bool) -> FullCheck:
    """Measure with the live line, and Ctrl-C as in `tune`."""
    from . import full_check
    from .objectives import OBJECTIVES
    from .progress import Progress

    console = _console(stderr=True)

    def note(text: str) -> None:
        if not silent:
            console.print(text, highlight=False, markup=False)

    with _interruptible(console) as stop, _live(console, silent) as redraw:
        progress = Progress(OBJECTIVES[asked.objective], redraw)
        on_wait = functools.partial(click.echo, err=True)
        return full_check.make(asked, output, progress, stop, note, on_wait)


@main.command()
@click.argument("study")
@click.option("--trial", type=int, required=True, help="The trial to repeat.")
@_no_wait
@_storage
def rerun(study: str, trial: int, no_wait: bool, storage: str) -> None:
    """Repeat one trial outside the record, showing its command and its log."""
    from . import repeat
    from .store import Store

    on_wait = None if no_wait else click.echo
    code = repeat.rerun(Store(storage), study, trial, click.echo, on_wait)
    raise SystemExit(code)


@main.command()
@click.argument("study")
@click.option("--trial", type=int, help="The trial whose configuration is profiled.")
@click.option("--best", is_flag=True, help="The best configuration: what happens without --trial.")
@click.option("--baseline", is_flag=True, help="The environment as it was.")
@click.option("--python", metavar="PATH", default="", help="Interpreter.  [default: the study's]")
@_no_wait
@_storage
@click.option("--json", "as_json", is_flag=True, help="Print the profile as JSON.")
@click.option(
    "-o",
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder for the trace.  [default: results/profile/<study>-<trial>]",
)
@_lang
def profile(
    study: str,
    trial: int | None,
    best: bool,
    baseline: bool,
    python: str,
    no_wait: bool,
    storage: str,
    as_json: bool,
    output: Path | None,
) -> None:
    """Run one configuration under the profiler, and say where the time of a call goes."""
    from . import profile as profiling
    from . import profile_view, repeat, session
    from .store import Store

    if (trial is not None) + best + baseline > 1:
        raise UsageError("--trial, --best and --baseline exclude each other: give one of them")
    store = Store(storage)
    number = profiling.choose(session.load(store, study), trial, baseline)
    folder = output or session.RESULTS / "profile" / f"{study}-{number}"
    repeat.runs_of(store, study, number)  # a wrong number is the only line
    _console(stderr=True).print(say("trial {n} under the profiler, about a minute", n=number))
    on_wait = None if no_wait else lambda text: click.echo(text, err=True)
    found = profiling.profile(store, study, number, python, folder, on_wait)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2))
    else:
        _console().print(profile_view.profile(found))
