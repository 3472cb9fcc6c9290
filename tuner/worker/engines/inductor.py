"""torch.compile: inductor, with frozen weights, or with its kernels chosen by measuring too."""

from __future__ import annotations

import importlib
import logging
import os
import re
import shutil
import tempfile
from typing import Any, List

import torch

from ..compiler import fault
from ..failure import unsupported
from ..files import text_of
from ..protocol import ReadBack
from ..workload import Workload

FREEZING, MAX_AUTOTUNE = "inductor-freezing", "inductor-max-autotune"
# What dynamo warns of when it gives up on a function that it has compiled too often, and why
# (_dynamo/convert_frame.py: torch 2.1 has `reasons`, 2.7 and 2.13 have `last reason`).
GAVE_UP = re.compile(r"torch\._dynamo hit config\.\w+ \((\d+)\)")
# Behind a `#` 2.13 repeats the line of the model, with hints.
LAST_REASON = re.compile(r"(?:last reason|reasons): +(.*?)(?: +#.*)?$", re.M)
FALL_BACKS: List[str] = []  # of this process, as what dynamo has compiled is


def missing(value: str) -> str:
    """Looked for, not guessed from a version."""
    wanted = os.environ.get("CXX") or "g++"
    compiler = next(filter(shutil.which, (wanted, "clang++")), "")
    if not compiler:
        return "inductor needs a C++ compiler and there is no {} on the path".format(wanted)
    if not hasattr(torch, "compile"):
        return "torch {} has no torch.compile".format(torch.__version__)
    try:
        torch.compile(lambda x: x)
    except RuntimeError as error:  # Python newer than this torch knows, or Windows
        return str(error).splitlines()[0]
    return fault(compiler, needs_python=_needs_python(os.path.dirname(torch.__file__)))


def _needs_python(package: str) -> bool:
    """Does inductor's code include Python's headers? torch 2.7 and 2.13 do, 2.1 does not."""
    return "<Python.h>" in text_of(os.path.join(package, "_inductor", "codecache.py"))


def compiles(value: str) -> bool:
    """The first call does."""
    return True


def apply(value: str, workload: Workload) -> None:
    """Replace the forward; it is compiled in its first call."""
    if isinstance(workload.module, torch.jit.ScriptModule):
        raise unsupported("a TorchScript model cannot be compiled by inductor")
    config = imported()
    logging.getLogger("torch._dynamo.convert_frame").addHandler(FallBacks())
    if value in (FREEZING, MAX_AUTOTUNE):
        config.freezing = True
    if value == MAX_AUTOTUNE:
        config.max_autotune = True
    workload.forward = torch.compile(workload.module, dynamic=False)


class FallBacks(logging.Handler):
    """Sees why a function is not compiled any more: each further call of it is eager."""

    def emit(self, record: logging.LogRecord) -> None:
        """Kept as `8 compilations: <last reason>`."""
        text = record.getMessage()
        limit, reason = GAVE_UP.search(text), LAST_REASON.search(text)
        if limit:
            why = ": " + reason.group(1) if reason else ""
            FALL_BACKS.append("{} compilations{}".format(limit.group(1), why))


def imported() -> Any:
    """Its configuration; the compile cache becomes the temporary folder, of its processes too.

    The cache has a folder for each number of threads: inductor writes it into the code, and torch
    before 2.13 does not have it in the cache's key.
    Inductor's precompiled C++ headers go to the temporary folder, whatever TORCHINDUCTOR_CACHE_DIR
    says (torch 2.15, `_inductor/codecache.py`, `_HEADER_DIR`), and would stay there.
    """
    cache = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    own = "threads-{}".format(torch.get_num_threads())
    if cache and os.path.basename(cache) != own:
        cache = os.path.join(cache, own)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        os.makedirs(cache, exist_ok=True)
        os.environ["TMPDIR"] = cache
        tempfile.tempdir = None  # asks the environment again
    return importlib.import_module("torch._inductor.config")


def read_back(workload: Workload) -> ReadBack:
    """What it was asked for, and whether anything was really compiled."""
    if FALL_BACKS:
        return ReadBack("eager", True, "fell back to eager after " + FALL_BACKS[0])
    compiled = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    if not compiled:
        return ReadBack("eager", True, "nothing of it was compiled")
    config = importlib.import_module("torch._inductor.config")
    own = workload.forward is workload.module
    how = "{} graphs compiled".format(compiled) + (" by the model's own code" if own else "")
    if not config.freezing:
        return ReadBack("inductor", True, how)
    return ReadBack(MAX_AUTOTUNE if config.max_autotune else FREEZING, True, how)
