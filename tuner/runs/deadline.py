"""A run that was not done in time: in which phase it was, and which `--timeout` to give."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from ..worker.protocol import PHASES_FILE, STARTED_FILE, TrialSpec

DOING = {
    "import": "torch was being imported",
    "device": "the device was being opened",
    "build": "the model was being built",
    "knobs": "the knobs' values were being tried",
    "transform": "the model was being made ready as the knobs say",
    "export": "the model was being exported for an engine",
    "load": "an engine was loading the model",
    "first_call": "it was in its first call, which compiles where a knob says so",
    "check": "its output was being checked",
    "warmup": "it was being warmed up",
    "samples": "it was being measured",
    "profile": "it was being profiled",
}
CALLS, REST_S = 20, 20.0  # beyond the warm-up, where calls are slow; beside calls
ROUND_S = 10


def missed(spec: TrialSpec, folder: Path, way: Sequence[str], env_script: str = "") -> str:
    """By the phases that the worker has written. way: how its interpreter is reached."""
    late, began = f"no result after {spec.deadline_s:.0f} s: ", _phases(folder)
    hangs = "no --timeout helps where that hangs; try: {} -c {}"
    if not (folder / STARTED_FILE).exists():
        hint = hangs.format(shlex.join(way), "pass")
        after = f", after --env-script {env_script}" if env_script else ""
        return f"{late}{shlex.join(way)} has not begun to run the worker{after}: {hint}"
    if not began:
        return f"{late}Python was starting: {hangs.format(shlex.join(way), 'pass')}"
    name, since_s = began[-1]
    where = f"{DOING.get(name, f'it was in its phase {name}')}, since second {since_s:.0f}"
    if name == "import":
        module = "torch_npu" if spec.backend == "npu" else "torch"
        return f"{late}{where}: {hangs.format(shlex.join(way), shlex.quote(f'import {module}'))}"
    return f"{late}{where}: {_what_to_give(spec, began)}"


def _what_to_give(spec: TrialSpec, began: Sequence[tuple[str, float]]) -> str:
    ends = [
        (then, end - then) for (name, then), (_, end) in pairwise(began) if name == "first_call"
    ]
    if not ends or began[-1][0] not in ("warmup", "samples"):
        longer = f"--timeout {2 * spec.deadline_s:.0f} gives it twice as long"
        return f"how long it takes is not known: {longer}"
    since_s, call_s = ends[-1]
    calls = spec.rule.warmup_calls + CALLS
    enough_s = ROUND_S * math.ceil((since_s + calls * call_s + REST_S) / ROUND_S)
    took = f"the first call took {call_s:.2g} s"
    if enough_s <= spec.deadline_s:
        return f"{took}, so a later one hangs: no --timeout helps; see its log"
    return f"{took}: --timeout {enough_s} would have been enough"


def _phases(folder: Path) -> list[tuple[str, float]]:
    """Name of each phase and the second in which it began, in order."""
    try:
        lines = (folder / PHASES_FILE).read_text().splitlines()
    except OSError:
        return []
    return [(words[0], float(words[1])) for line in lines if len(words := line.split()) == 2]
