"""The options of a study as click's, made from what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any

import click

from ..errors import UsageError
from ..options import OPTIONS, WHERE, Option, Setup, flag, read

TYPES = {"int": int, "float": float}
FIELDS = {field.name: field for field in fields(Setup)}
EACH = "Once for all studies, or once for each."
IN_CHECK = {name: o.in_check for name, o in OPTIONS.items() if o.in_check is not None}


class Text(click.ParamType):  # type: ignore[type-arg]  # click 8.1 takes none
    """A text that an option's own function reads."""

    name = "text"

    def __init__(self, option: str, parse: Callable[[str], Any]) -> None:
        self.option, self.parse = option, parse

    def convert(self, value: Any, _param: Any, _context: Any) -> Any:
        """The value. Raises UsageError, which names the option for either kind of user."""
        return read(self.option, value, self.parse)


def study_options(
    command: Any, defaults: Mapping[str, str] | None = None, each: bool = False
) -> Any:
    """Adds the options of `tune`.

    defaults: those that are named there alone, each with its default in words; "": as in `tune`.
    each: of several studies, one value for all of them or one for each.
    """
    for name, known in reversed(OPTIONS.items()):
        if known.help and (defaults is None or name in defaults):
            default = (defaults or {}).get(name) or known.unset or _default(name)
            if each:
                known = replace(known, many=True, help=f"{known.help} {EACH}")
            command = _click_option(name, known, default)(command)
    return command


def where(command: Any) -> Any:
    """Adds where the worker runs."""
    return study_options(command, dict.fromkeys(WHERE, ""))


def where_instead(command: Any) -> Any:
    """Adds where the workers of a study run now, instead of where they ran."""
    return study_options(command, dict.fromkeys(WHERE, "the study's"))


def where_each(command: Any) -> Any:
    """Adds where the workers of several studies run now; `of_each` takes it apart."""
    return study_options(command, dict.fromkeys(WHERE, "each study's"), each=True)


def of_each(given: Mapping[str, tuple[Any, ...]], studies: int) -> list[dict[str, Any]]:
    """What was given with `where_each`, for each study; "" leaves a study as it was.

    Raises UsageError where it is neither one value nor one for each.
    """
    for name, values in given.items():
        if len(values) not in (0, 1, studies):
            raise UsageError(
                f"{flag(name)} is given {len(values)} times for {studies} studies: give it once, "
                "which is for all of them, or once for each in their order"
            )
    return [
        without_unset({name: values[n % len(values)] for name, values in given.items() if values})
        for n in range(studies)
    ]


def _default(name: str) -> str:
    default = FIELDS[name].default
    return "" if default is False or default in (MISSING, None, "", ()) else str(default)


def _click_option(name: str, known: Option, default: str) -> Any:
    """Without a value where it is not given: what it is then, the options themselves know."""
    type_: Any = TYPES.get(str(FIELDS[name].type).removesuffix(" | None"), str)
    if known.words:
        type_ = click.Choice(known.words)
    if known.parse:
        type_ = Text(name, known.parse)
    return click.option(
        flag(name),
        name,
        type=None if FIELDS[name].type == "bool" else type_,
        is_flag=FIELDS[name].type == "bool",
        default=None,
        multiple=known.many,
        metavar=known.metavar,
        help=known.help + (f"  [default: {default}]" if default else ""),
    )


def without_unset(options: dict[str, Any]) -> dict[str, Any]:
    """Those that were given."""
    return {name: value for name, value in options.items() if value not in (None, (), "")}
