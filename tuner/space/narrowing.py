"""A search space fitted to what the worker's host has, and to what the user asks for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from packaging.specifiers import SpecifierSet

from ..errors import UsageError
from ..language import N_, Message
from ..policy import BATCH_SIZE, WARMUP
from ..worker.applied.lists import PRELOAD, added
from ..worker.facts import ProbeFacts
from ..worker.protocol import UNSET, ProbeRequest
from . import variables
from .file import LoadedFile
from .model import Knob, LeftOut, SearchSpace, Value
from .schema import KnobEntry, ValueEntry


def narrow(space: SearchSpace, name: str, values: Sequence[Value], why: Message) -> SearchSpace:
    """The space without these values of one knob, which are among what was left out."""
    knobs = tuple(
        replace(knob, domain=tuple(value for value in knob.domain if value not in values))
        if knob.name == name
        else knob
        for knob in space.knobs
    )
    presets = {p: preset for p, preset in space.presets.items() if preset.get(name) not in values}
    left_out = LeftOut(why, name, tuple(values), _other_presets(space, presets))
    return replace(space, knobs=knobs, presets=presets, left_out=(*space.left_out, left_out))


def _other_presets(space: SearchSpace, presets: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(preset for preset in space.presets if preset not in presets)


def why_not(space: SearchSpace, name: str, value: Value) -> str:
    """Why a value cannot be set in a narrowed space, for an error; "" where it can."""
    knob = space.knob(name)
    if knob is None:
        return f"there is no knob {name!r}"
    if value in knob.domain:
        return ""
    why = why_left_out(space, name, value)
    return f"{name}={value}: {why}" if why else f"{name} cannot be {value!r}"


def why_left_out(space: SearchSpace, name: str, value: Value) -> Message | None:
    """Why a value of the file is not to be had here; None for one that was not left out."""
    for left_out in space.left_out:
        if left_out.knob == name and str(value) in map(str, left_out.values):
            return left_out.why
    return None


def pin(space: SearchSpace, name: str, text: str) -> SearchSpace:
    """Fix a knob to one value of its domain (or any positive count, for counts).

    A pinned batch size or warm-up count becomes the default, for the baseline too; any other pin
    binds the search only, because the baseline is the environment as it is.
    """
    knob = space.knob(name)
    if knob is None:
        known = ", ".join(k.name for k in space.knobs)
        raise UsageError(f"--set {name}={text}: there is no knob {name!r}; knobs here: {known}")
    value = next((value for value in knob.domain if str(value) == text), None)
    if value is None and name in (WARMUP, BATCH_SIZE) and text.isdigit() and int(text) > 0:
        value = int(text)
    if value is None:
        allowed = ", ".join(str(value) for value in knob.domain)
        why = why_left_out(space, name, text) or f"not a value of {name} here"
        raise UsageError(f"--set {name}={text}: {why}; allowed: {allowed}")
    if name in (WARMUP, BATCH_SIZE):
        pinned = replace(knob, domain=(value,), default=value)
    else:
        pinned = replace(knob, pinned=value)
    presets = {
        preset: configuration
        for preset, configuration in space.presets.items()
        if configuration.get(name, value) == value
    }
    others = _other_presets(space, presets)
    why = Message("{name} is set to {value}", {"name": name, "value": value})
    left_out = (LeftOut(why, name, presets=others),) if others else ()
    knobs = tuple(pinned if k.name == name else k for k in space.knobs)
    return replace(space, knobs=knobs, presets=presets, left_out=(*space.left_out, *left_out))


def without_broken_presets(space: SearchSpace) -> SearchSpace:
    """The space without presets that a rule forbids once what is pinned is in them."""
    for name in space.presets:
        broken = space.broken_rule(space.preset(name))
        if broken:
            presets = {other: space.presets[other] for other in space.presets if other != name}
            left_out = LeftOut(broken.reason, presets=(name,))
            space = replace(space, presets=presets, left_out=(*space.left_out, left_out))
    return space


def with_default_batch(space: SearchSpace, batch_size: int) -> SearchSpace:
    """The space with another default batch size, added to the domain where it is not in it."""
    knob = space.knob(BATCH_SIZE)
    if knob is None or knob.default == batch_size:
        return space
    domain = knob.domain if batch_size in knob.domain else (batch_size, *knob.domain)
    changed = replace(knob, default=batch_size, domain=domain)
    return replace(space, knobs=tuple(changed if k is knob else k for k in space.knobs))


def without_batch(space: SearchSpace, why: str) -> SearchSpace:
    """The space of a model that has no batch: nobody samples its size."""
    if space.knob(BATCH_SIZE) is None:
        return space
    knobs = tuple(knob for knob in space.knobs if knob.name != BATCH_SIZE)
    presets = {
        name: {knob: value for knob, value in preset.items() if knob != BATCH_SIZE}
        for name, preset in space.presets.items()
    }
    left_out = LeftOut(Message("left out: the batch size: {why}", {"why": why}))
    return replace(space, knobs=knobs, presets=presets, left_out=(*space.left_out, left_out))


def request(loaded: LoadedFile) -> ProbeRequest:
    """What the worker must find out for this space."""
    values: dict[str, list[Any]] = {}
    for knob in loaded.space.knobs:
        if knob.handler:
            others = [value for value in knob.domain if value != UNSET]
            values[knob.handler] = [*values.get(knob.handler, []), *others]
    entries = [entry for knob in loaded.entries.values() for entry in knob.entries()]
    libraries = [entry.shared_library for entry in entries if entry.shared_library]
    return ProbeRequest(values, libraries, variables.rules())


def narrowed(
    loaded: LoadedFile, facts: ProbeFacts, fingerprint: Mapping[str, Any], allow_lossy: bool
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
    return _as_set_here(space, loaded, facts)


def _why_not(
    knob: Knob,
    entry: KnobEntry,
    value: ValueEntry,
    facts: ProbeFacts,
    fingerprint: Mapping[str, Any],
    allow_lossy: bool,
) -> Message | None:
    if (value.changes_numbers or entry.changes_numbers) == "lossy" and not allow_lossy:
        return Message("it changes the numbers: add --allow-lossy to search it")
    if entry.at_most == "cpus" and _exceeds(value.value, int(fingerprint["usable_cpus"])):
        count = fingerprint["usable_cpus"]
        return Message("only {count} processors are usable", {"count": count})
    quota = fingerprint.get("cpu_quota")
    if entry.at_most == "cpus" and quota and _exceeds(value.value, math.ceil(quota)):
        text = N_(
            "a cgroup's quota gives the time of {quota:g} processors: more threads are throttled"
        )
        return Message(text, {"quota": quota})
    if value.shared_library and not facts.libraries.get(value.shared_library):
        return Message("there is no {library} on this host", {"library": value.shared_library})
    if fault := facts.preload_faults.get(value.shared_library):
        return Message("it does not load: {line}", {"line": fault})
    for package, specifier in {**entry.needs, **value.needs}.items():
        version = str(fingerprint.get(package, "")).split("+")[0]
        if not version or not SpecifierSet(specifier, prereleases=True).contains(version):
            return Message(
                "it needs {package} {specifier}, here is {have}",
                {"package": package, "specifier": specifier, "have": version or Message("none")},
            )
    missing = facts.missing.get(knob.handler, {}).get(str(value.value), "")
    return Message(str(missing)) if missing else None


def _exceeds(value: Value, limit: int) -> bool:
    return isinstance(value, int) and value > limit


def _as_set_here(space: SearchSpace, loaded: LoadedFile, facts: ProbeFacts) -> SearchSpace:
    """Every value's variables: with the path of its library, and what the user has beside them."""
    users, knobs = {**facts.settings, PRELOAD: facts.preload}, []
    for knob in space.knobs:
        by_value = {value: dict(assigned) for value, assigned in knob.variables.items()}
        for entry in loaded.entries[knob.name].entries():
            assigned = by_value.get(str(entry.value))
            if assigned and entry.value in knob.domain:
                path = facts.libraries[entry.shared_library] if entry.shared_library else ""
                by_value[str(entry.value)] = as_set_here(assigned, path, users)
        knobs.append(replace(knob, variables=by_value))
    return replace(space, knobs=tuple(knobs))


def as_set_here(
    variables: Mapping[str, str], path: str, users: Mapping[str, str]
) -> dict[str, str]:
    """Fill `{library}`, and add to the lists that the user has in these variables."""
    filled = {name: text.replace("{library}", path) for name, text in variables.items()}
    return {name: added(name, text, users.get(name, "")) for name, text in filled.items()}
