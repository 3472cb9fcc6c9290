"""The commands: parse, call, print. Only the files of this folder print or exit.

Everything heavy is imported inside the commands, so that `--help` answers at once.
"""

from __future__ import annotations

import signal
from typing import Any

import click

from .. import __version__
from ..errors import Interrupted, TunerError
from . import delete, doctor, exit_codes, files, noise, studies, tune, upgrade


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
                click.echo(f"npu-tune: {_printable(str(error))}", err=True)
            ctx.exit(error.exit_code)
        except click.UsageError as error:  # it repeats a word of the command line
            said = error.format_message()
            if _printable(said) == said:
                raise
            raise click.UsageError(_printable(said), error.ctx) from None
        except KeyboardInterrupt:
            click.echo("npu-tune: interrupted", err=True)
            ctx.exit(Interrupted.exit_code)


def _printable(text: str) -> str:
    """Without the password of a URL that stands where none belongs."""
    if "://" not in text:
        return text
    from ..runs.address import without_passwords

    return without_passwords(text)


@click.group(
    cls=TuneByDefault,
    epilog=exit_codes.epilog("tune"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="npu-tune")
def main() -> None:
    """Find the settings that make a model fast on an Ascend NPU or a CPU, and prove it.

    `npu-tune --model mobilenet_v2` is short for `npu-tune tune --model mobilenet_v2`.
    """


for command in (
    tune.tune,
    studies.list_studies,
    studies.show,
    files.export,
    files.report,
    upgrade.run,
    upgrade.check,
    upgrade.compare,
    doctor.doctor,
    noise.noise,
    studies.rerun,
    studies.profile,
    delete.delete,
):
    command.epilog = exit_codes.epilog(str(command.name))
    main.add_command(command)
