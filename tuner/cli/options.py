"""The options of a study as click's, made from what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any

import click

from ..options import OPTIONS, Option, Setup, flag, read

TYPES = {"int": int, "float": float}
FIELDS = {field.name: field for field in fields(Setup)}
IN_CHECK = {name: o.in_check for name, o in OPTIONS.items() if o.in_check is not None}


class Text(click.ParamType):  # type: ignore[type-arg]  # click 8.1 takes none
    """A text that an option's own function reads."""

    name = "text"

    def __init__(self, option: str, parse: Callable[[str], Any]) -> None:
        self.option, self.parse = option, parse

    def convert(self, value: Any, _param: Any, _context: Any) -> Any:
        """The value. Raises UsageError, which names the option for either kind of user."""
        return read(self.option, value, self.parse)


def study_options(command: Any, defaults: Mapping[str, str] | None = None) -> Any:
    """Adds the options of `tune`.

    defaults: those that are named there alone, each with its default in words; "": as in `tune`.
    """
    for name, known in reversed(OPTIONS.items()):
        if known.help and (defaults is None or name in defaults):
            default = (defaults or {}).get(name) or known.unset or _default(name)
            command = _click_option(name, known, default)(command)
    return command


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
