"""Reads a search space file. A mistake is answered with file, line and what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import UsageError
from ..policy import BATCH_SIZE, WARMUP
from ..worker.protocol import UNSET
from .model import Configuration, Knob, Rule, SearchSpace, Value
from .schema import KnobEntry, Part, PresetEntry, RuleEntry, SpaceFile, ValueEntry
from .variables import why_refused

PACKAGE = Path(__file__).parent.parent
HANDLERS = PACKAGE / "worker" / "knobs"
NO_HANDLER = ("environment", "input", "measurement")


@dataclass(frozen=True)
class LoadedFile:
    """A search space with what the file says about where each value is available."""

    space: SearchSpace
    entries: dict[str, KnobEntry]


class _Mistake(Exception):
    def __init__(self, location: tuple[Any, ...], message: str) -> None:
        super().__init__(message)
        self.location = location


def find(name: str, folder: str = "") -> Path:
    """The file for `--space NAME|FILE`: a path, or one of the search spaces shipped.

    folder: where a relative path begins. Raises UsageError.
    """
    if name.endswith((".yaml", ".yml")) or "/" in name:
        path = Path(folder, name)
        if path.is_file():
            return path
        raise UsageError(f"there is no search space file {path}")
    paths = _shipped()
    if name in paths:
        return paths[name]
    raise UsageError(
        f"there is no search space {name!r}; shipped: {', '.join(sorted(paths))}; "
        "your own: --space FILE.yaml"
    )


def shipped() -> list[str]:
    """The names of the search spaces that come with this tool, the smallest file first."""
    paths = _shipped()
    return sorted(paths, key=lambda name: paths[name].stat().st_size)


def _shipped() -> dict[str, Path]:
    """Inside the package in a wheel, beside it in a clone: what else lies there is a stranger's."""
    folder, project = PACKAGE / "search_spaces", PACKAGE.parent / "pyproject.toml"
    if not folder.is_dir() and project.is_file() and 'name = "npu-tune"' in project.read_text():
        folder = project.with_name("search_spaces")
    return {path.stem: path for path in folder.glob("*.yaml")}


def load(path: Path) -> LoadedFile:
    """Read and validate. Raises UsageError with file and line."""
    try:
        text = path.read_text(encoding="utf-8")
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        data = None if node is None else loader.construct_document(node)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UsageError(f"{path}{line}: not valid YAML: {problem}") from error
    except (ValueError, RecursionError) as error:  # such as an impossible date
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    try:
        if not isinstance(data, dict):
            raise _Mistake((), "a search space is a mapping with name, backend and knobs")
        file = SpaceFile.model_validate(data)
        space = _build(file)
    except ValidationError as error:
        first = error.errors()[0]
        where = tuple(part for part in first["loc"] if part not in ("ValueEntry", "str", "int"))
        message = _plain(first, where)
        raise UsageError(f"{path}:{_line(node, where)}: {message}") from error
    except _Mistake as mistake:
        raise UsageError(f"{path}:{_line(node, mistake.location)}: {mistake}") from mistake
    return LoadedFile(space, file.knobs)


def entries_of(
    names: Iterable[str], backend: str, space: str = "", folder: str = ""
) -> dict[str, KnobEntry]:
    """What the search space files say of these knobs; without those that are gone.

    space: the study's own file or name, folder: where a relative one begins; the shipped ones of
    its backend come after it.
    """
    entries: dict[str, KnobEntry] = {}
    for name in [*([space] if space else []), *shipped()]:
        try:
            loaded = load(find(name, folder))
        except UsageError:  # the study's own file was moved: what it says is lost
            continue
        if loaded.space.backend == backend:
            for knob in names:
                if knob in loaded.entries:
                    entries.setdefault(knob, loaded.entries[knob])
    return entries


def _plain(error: Any, where: tuple[Any, ...]) -> str:
    """pydantic's message with the place in the file and the nearest allowed name."""
    place = ".".join(str(part) for part in where)
    kind = error["type"]
    if kind == "extra_forbidden":
        allowed = _allowed_keys(where)
        near = difflib.get_close_matches(str(where[-1]), allowed, 1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        return f"unknown key {place!r}; {hint}allowed: {', '.join(allowed)}"
    if kind == "missing":
        return f"{place!r} is missing"
    value = error.get("input")
    return f"{place}: {error['msg']}" + (f", not {value!r}" if isinstance(value, str | int) else "")


def _allowed_keys(where: tuple[Any, ...]) -> list[str]:
    kinds: dict[str, type[Part]] = {"knobs": KnobEntry, "presets": PresetEntry, "rules": RuleEntry}
    if len(where) == 1:
        return list(SpaceFile.model_fields)
    kind = ValueEntry if "values" in where else kinds[str(where[0])]
    return list(kind.model_fields)


def _line(node: Any, where: tuple[Any, ...]) -> int:
    """The line of the deepest part of `where` that the file has."""
    line = 1 if node is None else node.start_mark.line + 1
    for part in where:
        if isinstance(node, yaml.MappingNode):
            pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
            if pair is None:
                break
            line, node = pair[0].start_mark.line + 1, pair[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return int(line)


def _build(file: SpaceFile) -> SearchSpace:
    knobs = {name: _knob(name, entry) for name, entry in file.knobs.items()}
    presets = {}
    for name, preset in file.presets.items():
        _check_values(knobs, preset.configuration, ("presets", name, "configuration"))
        presets[name] = dict(preset.configuration)
    rules = []
    for number, rule in enumerate(file.rules):
        when = _allowed(knobs, rule.when, ("rules", number, "when"))
        require = _allowed(knobs, rule.require, ("rules", number, "require"))
        rules.append(Rule(when, require, rule.why, rule.why_zh))
    return SearchSpace(file.name, file.backend, tuple(knobs.values()), presets, tuple(rules))


def _knob(name: str, entry: KnobEntry) -> Knob:
    values = [value.value for value in entry.entries()]
    where = ("knobs", name)
    if name in (WARMUP, BATCH_SIZE):
        stage = "measurement" if name == WARMUP else "input"
        if entry.apply != stage:
            raise _Mistake((*where, "apply"), f"{name} is applied as {stage}")
        for number, value in enumerate(values):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise _Mistake((*where, "values", number), f"{name} is a count of 1 or more")
        if entry.default not in values:
            raise _Mistake(
                (*where, "default"), f"default {entry.default!r} is not among the values"
            )
    elif entry.default != UNSET:
        raise _Mistake((*where, "default"), f"the default of {name} must be unset")
    elif entry.apply in ("input", "measurement"):
        raise _Mistake((*where, "apply"), f"only {WARMUP} and {BATCH_SIZE} are applied there")
    if UNSET in values or len(set(map(str, values))) != len(values):
        raise _Mistake((*where, "values"), "values must differ, and unset is always among them")
    domain = values if entry.default != UNSET else [UNSET, *values]
    return Knob(
        name=name,
        why=entry.why,
        apply=entry.apply,
        default=entry.default,
        domain=tuple(domain),
        handler=_handler(name, entry),
        variables={str(value.value): value.set for value in entry.entries() if value.set},
        changes_numbers=entry.changes_numbers,
        why_zh=entry.why_zh,
        files={str(value.value): value.file for value in entry.entries() if value.file},
    )


def _handler(name: str, entry: KnobEntry) -> str:
    """The named handler, else the one called like the knob; a knob in code must have one."""
    modules = sorted(p.stem for p in HANDLERS.glob("*.py") if p.stem != "__init__")
    where = ("knobs", name)
    if entry.handler and entry.handler not in modules:
        message = f"no handler {entry.handler!r}; there are: {', '.join(modules)}"
        raise _Mistake((*where, "handler"), message)
    handler = entry.handler or (name if name in modules else "")
    _check_variables(entry, where)
    if entry.apply == "environment":
        for number, value in enumerate(entry.entries()):
            if not value.set:
                message = f'{value.value!r} sets no variable: add set: {{VARIABLE: "value"}}'
                raise _Mistake((*where, "values", number), message)
    elif entry.apply not in NO_HANDLER and not handler:
        message = f"a knob applied to the {entry.apply} needs a handler: {', '.join(modules)}"
        raise _Mistake((*where, "apply"), message)
    return handler


def _check_variables(entry: KnobEntry, where: tuple[Any, ...]) -> None:
    """Refuse values of environment variables that mean nothing, whatever takes them silently."""
    for number, value in enumerate(entry.entries()):
        for name, text in value.set.items():
            why = why_refused(name, text)
            if why:
                raise _Mistake((*where, "values", number, "set", name), why)


def _check_values(knobs: dict[str, Knob], values: Configuration, where: tuple[Any, ...]) -> None:
    for name, value in values.items():
        if name not in knobs:
            known = ", ".join(knobs)
            raise _Mistake((*where, name), f"there is no knob {name!r}; knobs here: {known}")
        domain = knobs[name].domain
        if value not in domain or isinstance(value, bool) != isinstance(domain[-1], bool):
            allowed = ", ".join(str(allowed) for allowed in domain)
            raise _Mistake((*where, name), f"{name} cannot be {value!r}; allowed: {allowed}")


def _allowed(
    knobs: dict[str, Knob], condition: dict[str, Any], where: tuple[Any, ...]
) -> dict[str, tuple[Value, ...]]:
    """Read `knob: value` or `knob: [values]` as knob -> allowed values."""
    allowed = {}
    for name, values in condition.items():
        values = values if isinstance(values, list) else [values]
        for value in values:
            _check_values(knobs, {name: value}, where)
        allowed[name] = tuple(values)
    return allowed
