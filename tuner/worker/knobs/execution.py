"""How the model is executed: eager, inductor, inductor-freezing or torchscript."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import warnings
from typing import Any, Dict

from ..failure import unsupported
from ..protocol import ReadBack
from ..workload import Workload

KEEPS_INPUTS = True  # a trace keeps the way that a branch went, a frozen graph its constants


def missing(value: str) -> str:
    """Looked for, not guessed from a version."""
    import torch

    if value == "torchscript":
        has = hasattr(torch, "jit") and hasattr(torch.jit, "optimize_for_inference")
        return "" if has else "torch {} has no TorchScript".format(torch.__version__)
    return _why_no_inductor(torch)


def _why_no_inductor(torch: Any) -> str:
    compiler = os.environ.get("CXX") or "g++"
    if not (shutil.which(compiler) or shutil.which("clang++")):
        return "inductor needs a C++ compiler and there is no {} on the path".format(compiler)
    if not hasattr(torch, "compile"):
        return "torch {} has no torch.compile".format(torch.__version__)
    try:
        torch.compile(lambda x: x)
    except RuntimeError as error:  # Python newer than this torch knows, or Windows
        return str(error).splitlines()[0]
    return ""


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
    if value == "inductor-freezing":
        torch._inductor.config.freezing = True
    workload.forward = torch.compile(workload.module, dynamic=False)


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

    if isinstance(workload.forward, torch.jit.ScriptModule):
        if workload.forward is workload.module:
            return ReadBack("eager", True, "the module as it was loaded")
        return ReadBack("torchscript", True, "type of the called module")
    if workload.forward is workload.module:
        return ReadBack("eager", True, "type of the called module")
    frozen = bool(torch._inductor.config.freezing)
    compiled = torch._dynamo.utils.counters["stats"].get("unique_graphs", 0)
    name = "inductor-freezing" if frozen else "inductor"
    return ReadBack(name, compiled > 0, "{} graphs compiled".format(compiled))
