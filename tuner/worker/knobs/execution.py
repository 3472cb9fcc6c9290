"""How the model is executed: eager, inductor, inductor-freezing or torchscript."""

from __future__ import annotations

import importlib
import logging
import os
import re
import shutil
import tempfile
import warnings
from typing import Any, Dict, List

from ..compiler import fault
from ..failure import unsupported
from ..files import text_of
from ..protocol import ReadBack
from ..workload import Workload

KEEPS_INPUTS = True  # a trace keeps the way that a branch went, a frozen graph its constants
# What dynamo warns of when it gives up on a function that it has compiled too often, and why
# (_dynamo/convert_frame.py: torch 2.1 has `reasons`, 2.7 and 2.13 have `last reason`).
GAVE_UP = re.compile(r"torch\._dynamo hit config\.\w+ \((\d+)\)")
# Behind a `#` 2.13 repeats the line of the model, with hints.
LAST_REASON = re.compile(r"(?:last reason|reasons): +(.*?)(?: +#.*)?$", re.M)
FALL_BACKS: List[str] = []  # of this process, as what dynamo has compiled is


def missing(value: str) -> str:
    """Looked for, not guessed from a version."""
    import torch

    if value == "torchscript":
        has = hasattr(torch, "jit") and hasattr(torch.jit, "optimize_for_inference")
        return "" if has else "torch {} has no TorchScript".format(torch.__version__)
    return _why_no_inductor(torch)


def _why_no_inductor(torch: Any) -> str:
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
    """Does the first call compile it?"""
    return value.startswith("inductor")


def apply(value: str, workload: Workload) -> None:
    """Replace the workload's forward. The transform itself may happen in the first call."""
    import torch

    if value == "torchscript":
        workload.forward = _torchscript(workload)
        return
    if isinstance(workload.module, torch.jit.ScriptModule):
        raise unsupported("a TorchScript model cannot be compiled by inductor")
    _import_inductor()
    logging.getLogger("torch._dynamo.convert_frame").addHandler(FallBacks())
    if value == "inductor-freezing":
        torch._inductor.config.freezing = True
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


def _import_inductor() -> None:
    """Import it with the compile cache as temporary folder, for its compiler processes too.

    The cache has a folder for each number of threads: inductor writes it into the code, and torch
    before 2.13 does not have it in the cache's key.
    Inductor's precompiled C++ headers go to the temporary folder, whatever TORCHINDUCTOR_CACHE_DIR
    says (torch 2.15, `_inductor/codecache.py`, `_HEADER_DIR`), and would stay there.
    """
    cache = os.environ.get("TORCHINDUCTOR_CACHE_DIR")
    if cache:
        import torch

        cache = os.path.join(cache, "threads-{}".format(torch.get_num_threads()))
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        os.makedirs(cache, exist_ok=True)
        os.environ["TMPDIR"] = cache
        tempfile.tempdir = None  # asks the environment again
    importlib.import_module("torch._inductor.config")


def _torchscript(workload: Workload) -> Any:
    import torch

    module = workload.module
    if not isinstance(module, torch.jit.ScriptModule):
        inputs: Dict[str, Any] = {"example_inputs": workload.args}
        if workload.kwargs:
            inputs = {"example_kwarg_inputs": workload.kwargs}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("default")  # the model's module may have made them errors
            warnings.simplefilter("always", torch.jit.TracerWarning)
            try:
                module = torch.jit.trace(module, check_trace=False, strict=False, **inputs)
            except Exception as error:  # tracing fails in as many ways as models can be written
                raise unsupported("torch.jit.trace: {}".format(str(error).strip().splitlines()[0]))
        workload.warnings += [
            str(w.message).partition(".")[0]
            for w in caught
            if issubclass(w.category, torch.jit.TracerWarning)
        ]
    return torch.jit.optimize_for_inference(torch.jit.freeze(module.eval()))


def read_back(workload: Workload, start: Any) -> ReadBack:
    """What kind of object is called, and whether inductor really compiled it."""
    import torch

    own = workload.forward is workload.module
    if isinstance(workload.forward, torch.jit.ScriptModule) and not own:
        return ReadBack("torchscript", True, "type of the called module")
    if own and type(workload.module).__name__ != "OptimizedModule":
        return ReadBack("eager", True, "type of the called module")
    if FALL_BACKS:
        return ReadBack("eager", True, "fell back to eager after " + FALL_BACKS[0])
    compiled = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    if not compiled:
        return ReadBack("eager", True, "nothing of it was compiled")
    frozen = importlib.import_module("torch._inductor.config").freezing
    how = "{} graphs compiled".format(compiled) + (" by the model's own code" if own else "")
    return ReadBack("inductor-freezing" if frozen else "inductor", True, how)
