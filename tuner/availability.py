"""Narrows a search space to what the worker's host has, with what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from packaging.specifiers import SpecifierSet

from .errors import UsageError
from .language import Message
from .narrowing import narrow
from .search_space import Knob, SearchSpace, Value
from .search_space_file import LoadedFile
from .search_space_schema import KnobEntry, ValueEntry
from .worker.protocol import UNSET, ProbeRequest


def request(loaded: LoadedFile) -> ProbeRequest:
    """What the worker must find out for this space."""
    values: dict[str, list[Any]] = {}
    for knob in loaded.space.knobs:
        if knob.handler:
            wanted = [value for value in knob.domain if value != UNSET]
            values[knob.handler] = [*values.get(knob.handler, []), *wanted]
    entries = [entry for knob in loaded.entries.values() for entry in knob.entries()]
    return ProbeRequest(values, [entry.shared_library for entry in entries if entry.shared_library])


def narrowed(
    loaded: LoadedFile, facts: dict[str, Any], fingerprint: dict[str, Any], allow_lossy: bool
) -> SearchSpace:
    """The space without the values that are not here; numbers-changing ones only when allowed."""
    space = loaded.space
    for name, entry in loaded.entries.items():
        knob = space.knob(name)
        assert knob is not None
        reasons: dict[Message, list[Value]] = {}
        for value in entry.entries():
            why = _why_not(knob, entry, value, facts, fingerprint, allow_lossy)
            if why and value.value == knob.default:
                raise UsageError(f"{name}={value.value} is the default, but {why}")
            if why:
                reasons.setdefault(why, []).append(value.value)
        for why, values in reasons.items():
            space = narrow(space, name, values, why)
    return _with_library_paths(space, loaded, facts)


def _why_not(
    knob: Knob,
    entry: KnobEntry,
    value: ValueEntry,
    facts: dict[str, Any],
    fingerprint: dict[str, Any],
    allow_lossy: bool,
) -> Message | None:
    if (value.changes_numbers or entry.changes_numbers) == "lossy" and not allow_lossy:
        return Message("it changes the numbers: add --allow-lossy to search it")
    if entry.at_most == "cpus" and _exceeds(value.value, int(fingerprint["usable_cpus"])):
        count = fingerprint["usable_cpus"]
        return Message("only {count} processors are usable", {"count": count})
    if value.shared_library and not facts["libraries"].get(value.shared_library):
        return Message("there is no {library} on this host", {"library": value.shared_library})
    for package, specifier in {**entry.needs, **value.needs}.items():
        have = str(fingerprint.get(package, "")).split("+")[0]
        if not have or not SpecifierSet(specifier, prereleases=True).contains(have):
            return Message(
                "it needs {package} {specifier}, here is {have}",
                {"package": package, "specifier": specifier, "have": have or Message("none")},
            )
    missing = facts["missing"].get(knob.handler, {}).get(str(value.value), "")
    return Message(str(missing)) if missing else None


def _exceeds(value: Value, limit: int) -> bool:
    return isinstance(value, int) and value > limit


def _with_library_paths(
    space: SearchSpace, loaded: LoadedFile, facts: dict[str, Any]
) -> SearchSpace:
    """Every value's variables with the path of the library that was found for it."""
    knobs = []
    for knob in space.knobs:
        variables = {value: dict(held) for value, held in knob.variables.items()}
        for entry in loaded.entries[knob.name].entries():
            if entry.shared_library and entry.value in knob.domain:
                path, preloaded = facts["libraries"][entry.shared_library], facts.get("preload", "")
                held = variables[str(entry.value)]
                variables[str(entry.value)] = with_library(held, path, preloaded)
        knobs.append(replace(knob, variables=variables))
    return replace(space, knobs=tuple(knobs))


def with_library(held: Mapping[str, str], path: str, preloaded: str) -> dict[str, str]:
    """Fill `{library}`; what the user preloads already stays preloaded, after ours."""
    filled = {name: text.replace("{library}", path) for name, text in held.items()}
    if "LD_PRELOAD" in filled:
        others = [one for one in preloaded.split(":") if one not in ("", path)]
        filled["LD_PRELOAD"] = ":".join([filled["LD_PRELOAD"], *others])
    return filled
