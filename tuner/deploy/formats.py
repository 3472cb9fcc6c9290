"""The best configuration in other forms: shell, Dockerfile, Python. Pure functions to text."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from ..policy import WARMUP
from ..space.schema import KnobEntry
from ..space.variables import AT_START
from ..worker.applied.after_import import MODULES
from ..worker.applied.lists import PRELOAD, SETTINGS
from . import engine_code
from .best import EMULATED, BestConfiguration

FORMATS = {"yaml": ".yaml", "env": ".env", "dockerfile": ".Dockerfile", "python": ".py"}
COPY_OUTPUTS = "copy_outputs"  # what the code of a mode that overwrites its outputs may ask for
NO_CODE = "no line of code does it"
NO_FILE = "its search space file is not here"
IMPORTS = ("torch", "torch_npu")
# (knob=value, lines of code) of what is set in the process, and of what is done to the model.
Parts = tuple[list[tuple[str, list[str]]], list[tuple[str, list[str]]]]


def text(
    best: BestConfiguration, form: str, entries: dict[str, KnobEntry], stages: Mapping[str, str]
) -> str:
    """The file's text. form: env, dockerfile or python. stages: knob -> how it is applied."""
    parts = _parts(best, entries, stages)
    if form == "python":
        lines = python(best, parts, engine_of(best, entries))
    else:
        lines = {"env": env, "dockerfile": dockerfile}[form](best, parts)
    return "\n".join(lines) + "\n"


def engine_of(best: BestConfiguration, entries: Mapping[str, KnobEntry]) -> str:
    """The engine that the configuration needs; "" where it needs none."""
    chosen = best.configuration.items()
    needed = [v for name, v in chosen if name in entries and entries[name].file_of(v)]
    return engine_code.engine_of(needed[0]) if needed else ""


def env(best: BestConfiguration, parts: Parts) -> Iterator[str]:
    """Lines for a shell: `set -a; . FILE`, or `source FILE`."""
    yield from _comment(best)
    for name, value in best.environment_variables.items():
        yield f"export {name}={shlex.quote(value)}"
    yield from _rest(best, parts)


def dockerfile(best: BestConfiguration, parts: Parts) -> Iterator[str]:
    """ENV lines to be put into a Dockerfile."""
    yield from _comment(best)
    for name, value in best.environment_variables.items():
        quoted = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
        yield f'ENV {name}="{quoted}"'
    yield from _rest(best, parts)


def python(best: BestConfiguration, parts: Parts, engine: str = "") -> Iterator[str]:
    """A module to be imported before torch; `prepare` changes model and inputs.

    engine: whose code is in it.
    """
    process, model = parts
    yield '"""To be imported before torch; then: model, inputs = prepare(model, inputs).'
    yield ""
    yield from (line.removeprefix("# ") for line in _comment(best))
    yield '"""'
    yield ""
    yield "import os"
    yield "import sys"
    yield ""
    yield f"VARIABLES = {best.environment_variables!r}"
    yield "missed = {n: v for n, v in VARIABLES.items() if os.environ.get(n) != v}"
    if "LD_PRELOAD" in best.environment_variables:  # more libraries, and in any order, are fine
        yield 'preloaded = os.environ.get("LD_PRELOAD", "").split(":")'
        yield 'if set(VARIABLES["LD_PRELOAD"].split(":")) <= set(preloaded):'
        yield '    missed.pop("LD_PRELOAD", None)'
    yield f"at_start = [n for n in missed if n.startswith({AT_START!r})]"
    yield "if at_start:"
    yield '    shown = " ".join(f"{n}={VARIABLES[n]}" for n in at_start)'
    yield '    raise RuntimeError(f"to be set before Python starts: {shown}")'
    yield 'if missed and "torch" in sys.modules:'
    yield '    raise RuntimeError("torch is imported already: import this module before it")'
    yield "os.environ.update(missed)"
    yield ""
    yield from (f"import {name}  # noqa: E402" for name in _modules(best))
    if engine:
        yield ""
        yield from engine_code.lines(engine)
    for name, lines in process:
        yield f"# {name}"
        yield from lines
    yield ""
    yield ""
    if any(COPY_OUTPUTS in line for _, lines in model for line in lines):
        yield f"def prepare(model, inputs, {COPY_OUTPUTS}=True):"
        yield '    """model and the tuple of its inputs, as they were measured.'
        yield ""
        yield f"    {COPY_OUTPUTS}=False: each call overwrites the output of the one before it."
        yield '    """'
    else:
        yield "def prepare(model, inputs):"
        yield '    """model and the tuple of its inputs, as they were measured."""'
    for name, lines in model:
        yield from (f"    {line}" for line in [f"# {name}", *lines])
    yield "    return model, inputs"
    yield from _counts(best)


def _modules(best: BestConfiguration) -> tuple[str, ...]:
    return IMPORTS[: IMPORTS.index(MODULES[best.backend]) + 1]


def _comment(best: BestConfiguration) -> Iterator[str]:
    yield f"# Written by npu-tune from study {best.study}: {best.verdict}, {best.recommendation}"
    if best.environment.get("emulated_cann"):
        yield EMULATED.strip()
    for name in best.environment_variables:
        if name == PRELOAD or name in SETTINGS:
            yield f"# {name} is a list: this value replaces what is set where it is used."
    if not best.configuration:
        yield "# Nothing is to be set."


def _parts(
    best: BestConfiguration, entries: dict[str, KnobEntry], stages: Mapping[str, str]
) -> Parts:
    parts: Parts = ([], [])
    for name in stages:  # in the order of the search space: an engine comes last
        if name in best.configuration and stages[name] in ("process", "model"):
            value = best.configuration[name]
            code = entries[name].code_of(value) or NO_CODE if name in entries else NO_FILE
            lines = code.splitlines() if code not in (NO_CODE, NO_FILE) else [f"# {code}"]
            parts[stages[name] == "model"].append((f"{name}={value}", lines))
    return parts


def _rest(best: BestConfiguration, parts: Parts) -> Iterator[str]:
    """As comments: what no environment variable sets."""
    process, model = parts
    module = MODULES[best.backend]
    for when, part in ((f"after import {module}", process), ("to model and inputs", model)):
        for name, lines in part:
            yield f"# {name}, in the program, {when}:"
            if any(engine_code.CALL in line for line in lines):
                yield f"#     {engine_code.written_by(best.study)}"
            yield from (f"#     {line}" for line in lines)
    yield from _counts(best)


def _counts(best: BestConfiguration) -> Iterator[str]:
    if WARMUP in best.configuration:
        yield f"# Calls before it is fast: {best.configuration[WARMUP]}"
    if best.evidence.batch_size is not None:
        yield f"# Measured at batch size {best.evidence.batch_size}"


def path_of(folder: Path, study: str, form: str) -> Path:
    """Where the file goes unless it is said."""
    return folder / f"{study}{FORMATS[form]}"
