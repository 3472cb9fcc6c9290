"""Exceptions that carry an outcome, and the outcome of those that do not."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from typing import List

from .protocol import OUT_OF_MEMORY, KnobSetting, Outcome

# The loader's words where a library comes too late, mostly a second OpenMP: no memory is short.
MISSING = re.compile(r"missing \d+ required positional argument")
STATIC_TLS = re.compile(r"(\S+): cannot allocate memory in static TLS block")
NOT_FOUND = re.compile(r"(\S+): cannot open shared object file")
LACKS_SYMBOL = re.compile(r"(\S+): undefined symbol")
TOO_OLD = re.compile(r"version `\S+' not found \(required by (\S+)\)")  # mostly GLIBC_ or GLIBCXX_
ONE_DICT = "to pass the dict as one argument return (model, (inputs,))"
EACH = "each item of a tuple of example inputs, and each --input, is one argument"


class RunError(Exception):
    """Ends the run with a known outcome; the message is for the user."""

    def __init__(self, outcome: Outcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


def unsupported(message: str) -> RunError:
    """This configuration cannot be run here."""
    return RunError(Outcome.UNSUPPORTED, message)


def environment_error(message: str) -> RunError:
    """The interpreter or the machine is at fault, not the configuration."""
    return RunError(Outcome.ENVIRONMENT_ERROR, message)


def outcome_of(error: BaseException) -> Outcome:
    """The outcome that an exception stands for."""
    if isinstance(error, RunError):
        return error.outcome
    if STATIC_TLS.search(str(error)):
        return Outcome.ENVIRONMENT_ERROR
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(str(error)):
        return Outcome.OUT_OF_MEMORY
    return Outcome.CRASHED


def first_cause(error: BaseException) -> BaseException:
    """What was raised first, where handling it raised another."""
    while error.__context__ is not None:
        error = error.__context__
    return error


def print_trace(error: BaseException) -> None:
    """To the log, whatever the model's code has made of `sys.stderr`.

    A program that exits by itself has none: its stack would push out of the log what it said.
    """
    if isinstance(error, SystemExit):
        return
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    with contextlib.suppress(OSError):
        os.write(2, "".join(lines).encode(errors="replace"))


def one_line(error: BaseException) -> str:
    """The exception as one line: its type and the first line of its text."""
    if isinstance(error, RunError):
        return str(error)
    late = STATIC_TLS.search(str(error))
    if late:
        return "{}: it was loaded too late: export LD_PRELOAD={}".format(*late.group(0, 1))
    lines = str(error).strip().splitlines()
    text = "{}: {}".format(type(error).__name__, lines[0]) if lines else type(error).__name__
    frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_users(f.filename)]
    if frames:
        text += " ({}:{})".format(os.path.basename(frames[-1].filename), frames[-1].lineno)
    missed = loaders(error)
    if missed:
        text += ": " + missed
        if frames and "torch" in sys.modules:  # which one that failed would not be
            text += "; torch itself is loaded: what fails is the model's own"
    if isinstance(error, TypeError) and "unexpected keyword argument" in text:
        text += ": leave it out of the example inputs, or " + ONE_DICT
    if isinstance(error, TypeError) and MISSING.search(text):
        text += "; {}; {}".format(EACH, ONE_DICT)
    return text


def loaders(error: BaseException) -> str:
    """What the loader of shared libraries missed, and which file needs it; "" for other errors.

    An ImportError knows the extension that it was about (path); a library of that one may be what
    lacks something.
    """
    if not isinstance(error, (ImportError, OSError)):
        return ""
    text, needing = str(error), getattr(error, "path", None)
    match = NOT_FOUND.search(text)
    if match and needing and needing != match.group(1):
        return "{} needs {}, which the loader does not find".format(needing, match.group(1))
    if match:
        return "the loader does not find {}".format(match.group(1))
    match = LACKS_SYMBOL.search(text)
    if match:
        words = "{} was built for other versions of what it needs than those here"
        return words.format(match.group(1))
    match = TOO_OLD.search(text)
    return "{} was built for a newer system than this".format(match.group(1)) if match else ""


def without_torch(error: BaseException, knobs: List[KnobSetting]) -> RunError:
    """What an import of torch that failed stands for; a knob that preloads is the one to blame."""
    for knob in knobs:
        if "LD_PRELOAD" in knob.variables:
            text = "{}={} preloads {}, with which torch does not import: {}"
            preloaded = knob.variables["LD_PRELOAD"]
            return unsupported(text.format(knob.name, knob.value, preloaded, one_line(error)))
    if loaders(error) or STATIC_TLS.search(str(error)):
        text = "{}: torch's own import fails in the loader: {}"
        return environment_error(text.format(sys.executable, one_line(error)))
    return environment_error(
        "{} has no usable torch ({}): install it there, or choose another interpreter "
        "with --python".format(sys.executable, one_line(error))
    )


def _is_users(path: str) -> bool:
    """Is this a file of the user's, neither ours nor an installed package's?"""
    ours = os.path.dirname(os.path.abspath(__file__))
    packages = ("site-packages", "dist-packages", "/torch/", "/torch_npu/")
    installed = any(name in path for name in packages)
    installed = installed or path.startswith((sys.prefix, sys.base_prefix, "<"))
    return not installed and not os.path.abspath(path).startswith(ours)
