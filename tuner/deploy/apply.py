"""A best configuration put to use in a program that knows nothing of this tool.

Environment variables before it starts, settings inside the process as soon as torch is imported;
what only the program's own code can do is said. Names and values are taken from a search space,
not from the file: a YAML from a stranger sets nothing that no known knob owns.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UnfitEnvironmentError, UsageError
from ..language import N_, say
from ..policy import BATCH_SIZE, WARMUP
from ..space import file
from ..space.file import LoadedFile
from ..space.model import Value
from ..space.narrowing import as_set_here
from ..space.schema import KnobEntry, ValueEntry
from ..space.variables import AT_START
from ..worker.applied import after_import, lists
from ..worker.applied.libraries import find_library
from ..worker.protocol import UNSET
from . import engine_code
from .best import BestConfiguration, load

STARTUP = Path(__file__).parent.parent / "worker" / "applied" / "startup"


@dataclass(frozen=True)
class Settings:
    """What is to be set. in_process: (name, value, handler) once torch is there.

    in_code: (name, value, Python on `model` and `inputs`, or ""), which only the program can do.
    confirmed: not the search's best by single runs, which may be nothing but luck.
    """

    backend: str
    variables: dict[str, str]
    in_process: tuple[tuple[str, Value, str], ...]
    in_code: tuple[tuple[str, Value, str], ...]
    confirmed: bool = True


def settings_of(
    best: BestConfiguration, where: str, space: str = "", program: Sequence[str] = ()
) -> Settings:
    """What a configuration asks for. where: the file, for messages. space: as for --space.

    program: what is to be started; libraries are looked for beside its interpreter, too.

    Raises UsageError for what no known knob owns, UnfitEnvironmentError for a missing library.
    """
    refused = UsageError(f"{where}: there is no search space for backend {best.backend}")
    for loaded in _spaces(best.backend, space):
        try:
            _require_known(best, loaded, where)
        except UsageError as error:
            refused = error
            continue
        return _settings(best, where, loaded, _folders_beside(program))
    raise refused


def _spaces(backend: str, space: str) -> Iterator[LoadedFile]:
    names = [space] if space else file.shipped()
    for name in names:
        loaded = file.load(file.find(name))
        if loaded.space.backend == backend:
            yield loaded


def _require_known(best: BestConfiguration, loaded: LoadedFile, where: str) -> None:
    """Every knob, value and variable of the file must be the search space's own."""
    own = f"; of your own search space: --space FILE (here it is {loaded.space.name})"
    owned: dict[str, str] = {}
    for name, value in best.configuration.items():
        knob = loaded.space.knob(name)
        if knob is None:
            raise UsageError(f"{where}: configuration: there is no knob {name!r}{own}")
        count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        named = [choice for choice in knob.domain if choice != UNSET]
        if not (count if name in (WARMUP, BATCH_SIZE) else _is_among(value, named)):
            allowed = ", ".join(map(str, named))
            raise UsageError(
                f"{where}: configuration: {name} cannot be {value!r}; allowed: {allowed}{own}"
            )
        owned.update(knob.variables.get(str(value), {}))
    for variable, text in best.environment_variables.items():
        pattern = owned.get(variable)
        if pattern is None:
            raise UsageError(
                f"{where}: environment_variables: no knob of the configuration sets "
                f"{variable!r}{own}"
            )
        if "{library}" not in pattern and not lists.holds(variable, text, pattern):
            raise UsageError(
                f"{where}: environment_variables: {variable} cannot be {text!r}; "
                f"the configuration means {pattern!r}{own}"
            )


def _is_among(value: Value, allowed: Sequence[Value]) -> bool:
    return any(value == choice and type(value) is type(choice) for choice in allowed)


def _folders_beside(program: Sequence[str]) -> list[str]:
    """The library folder of the environment that a program's executable lies in."""
    path = shutil.which(program[0]) if program else None
    return [str(Path(path).absolute().parent.parent / "lib")] if path else []


def _settings(
    best: BestConfiguration, where: str, loaded: LoadedFile, folders: Sequence[str]
) -> Settings:
    variables: dict[str, str] = {}
    in_process, in_code = [], []
    for name, value in best.configuration.items():
        knob, entry = loaded.space.knob(name), loaded.entries[name]
        assert knob is not None
        if knob.apply == "environment":
            variables.update(_variables(entry, value, folders))
        elif knob.apply == "process":
            in_process.append((name, value, knob.handler))
        elif knob.apply == "model":
            code = entry.code_of(value)
            note = f"{engine_code.written_by(where)}\n" if entry.file_of(value) else ""
            in_code.append((name, value, note + code))
    return Settings(
        best.backend, variables, tuple(in_process), tuple(in_code),
        confirmed=best.recommendation != "confirm first",
    )  # fmt: skip


def _variables(entry: KnobEntry, value: Value, folders: Sequence[str]) -> dict[str, str]:
    """The value's variables; a library is looked for here, whatever path the file names."""
    choice: ValueEntry = next(choice for choice in entry.entries() if choice.value == value)
    name = choice.shared_library
    path = find_library(name, folders) if name else ""
    if name and not path:
        raise UnfitEnvironmentError(
            f"{value}: there is no {name} on this host: install it, or tune without it"
        )
    return as_set_here(choice.set, path, os.environ)


def environment(settings: Settings, base: Mapping[str, str]) -> dict[str, str]:
    """The whole environment for a program that is to be started with these settings."""
    variables = {**base, **settings.variables}
    if settings.in_process:
        variables[after_import.VARIABLE] = json.dumps(
            {"module": after_import.MODULES[settings.backend], "knobs": settings.in_process}
        )
        variables["PYTHONPATH"] = os.pathsep.join(
            filter(None, [str(STARTUP), base.get("PYTHONPATH", "")])
        )
        variables.pop(after_import.SAID, None)
    return variables


def lines(settings: Settings) -> Iterator[str]:
    """Say in one line what is set, then the code for what the program itself must do."""
    if not settings.confirmed:
        yield say("warning: from single runs, not confirmed: it may be no faster")
    before = " ".join(f"{name}={value}" for name, value in settings.variables.items())
    later = " ".join(f"{name}={value}" for name, value, _ in settings.in_process)
    module = after_import.MODULES[settings.backend]
    yield say(
        "environment: {before}; after the import of {module}: {later}",
        before=before or say("nothing"),
        module=module,
        later=later or say("nothing"),
    )
    for name, value, code in settings.in_code:
        text = N_("{name}={value} is not set, it is for the program's own code:")
        yield say(text, name=name, value=value)
        hint = code or say("see the documentation of torch_npu")
        yield from (f"    {line}" for line in hint.splitlines())


def apply(path: str | Path, space: str = "") -> Settings:
    """Set what a best configuration asks for, in this process: before torch is imported.

    Settings inside the process are made when torch is. What is returned tells the rest, such as
    `in_code`. Raises TunerError where it comes too late, or for a file with what no knob owns.
    """
    best = load(path)
    settings = settings_of(best, str(path), space)
    module = after_import.MODULES[settings.backend]
    if (settings.variables or settings.in_process) and "torch" in sys.modules:
        raise UsageError(f"{path}: too late, torch is imported already: apply it before")
    missed = {
        name: text
        for name, text in settings.variables.items()
        if name.startswith(AT_START) and not lists.holds(name, os.environ.get(name, ""), text)
    }
    if missed:
        shown = " ".join(f"{name}={text}" for name, text in missed.items())
        raise UsageError(
            f"{path}: too late for {shown}, which is read before Python starts: set it there, or "
            f"start the program with npu-tune run {shlex.quote(str(path))} -- python …"
        )
    os.environ.update(settings.variables)
    knobs: list[Any] = [list(setting) for setting in settings.in_process]
    after_import.install(module, knobs)
    return settings
