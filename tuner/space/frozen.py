"""Is a space that was frozen in a study still the same?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def difference(frozen: Mapping[str, Any], now: Mapping[str, Any], shipped: bool = False) -> str:
    """The first difference between two frozen spaces in one line; "" where there is none.

    shipped: what a later version of this tool has added to its own spaces is none.
    """
    if shipped:
        now = _as_far_as(frozen, now)
    old = {knob["name"]: knob for knob in frozen["knobs"]}
    new = {knob["name"]: knob for knob in now["knobs"]}
    for name in {**old, **new}:
        if name not in new or name not in old:
            return f"knob {name} is only in the {'stored' if name in old else 'present'} space"
        for key, value in old[name].items():
            if value != new[name].get(key):
                return f"{name}.{key} was {value}, is now {new[name].get(key)}"
    for key in ("name", "backend", "presets"):
        if frozen[key] != now[key]:
            return f"{key} was {frozen[key]}, is now {now[key]}"
    before, after = ([{**r, "why_zh": ""} for r in space["rules"]] for space in (frozen, now))
    return "" if before == after else f"rules was {frozen['rules']}, is now {now['rules']}"


def _as_far_as(frozen: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """A space without the knobs, values, presets and rules that another lacks, in its order."""
    knobs = {knob["name"]: knob for knob in now["knobs"]}
    kept = []
    for old in frozen["knobs"]:
        if old["name"] in knobs:
            knob = dict(knobs[old["name"]])
            if set(old["domain"]) <= set(knob["domain"]):
                knob["domain"] = old["domain"]
            for part in ("variables", "files"):
                named = knob[part].items()
                knob[part] = {v: own for v, own in named if v in old.get(part, {})}
            kept.append(knob)
    presets = {name: now["presets"].get(name) for name in frozen["presets"]}
    known = [{**rule, "why_zh": ""} for rule in frozen["rules"]]
    rules = [rule for rule in now["rules"] if {**rule, "why_zh": ""} in known]
    return {**now, "knobs": kept, "presets": presets, "rules": rules}
