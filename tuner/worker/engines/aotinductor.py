"""AOTInductor: what torch.compile makes, made before the first call.

The code is for one number of threads, which is written into it (torch 2.7,
`_inductor/codegen/cpp.py`), and for the processor's vector instructions.
"""

from __future__ import annotations

import inspect
import re
import shutil
import zipfile
from typing import List

import torch

from ..files import text_of
from ..protocol import ReadBack
from ..workload import Workload
from . import inductor
from .behind import engine

UNPACKED = re.compile(r"(/tmp/[^/\s]+)/data/aotinductor/\S+\.so$", re.M)
NUM_THREADS = re.compile(rb"num_threads\((\d+)\)")


def missing(value: str) -> str:
    """Looked for in torch, and a compiler for it; torch 2.6 is the first with such packages."""
    inductor.imported()
    compile_ = getattr(torch._inductor, "aoti_compile_and_package", None)
    if compile_ is None or "args" in inspect.signature(compile_).parameters:  # as in torch 2.5
        return "torch {} has no AOTInductor packages".format(torch.__version__)
    return inductor.missing(value)


def apply(value: str, workload: Workload) -> None:
    """Call the package from now on."""
    inductor.imported()
    forward = workload.forward = engine("aotinductor", workload)
    forward.back = ReadBack("aotinductor", True, "the loaded package")
    threads = _threads(forward.path)
    if threads:  # else all that is parallel in it is torch's own
        forward.threads = ReadBack(max(threads), True, "num_threads in its code")
    _remove_unpacked()


def _threads(path: str) -> List[int]:
    """What its code says, in each place where it is parallel."""
    with zipfile.ZipFile(path) as package:
        sources = [package.read(name) for name in package.namelist() if name.endswith(".cpp")]
    return [int(count) for source in sources for count in NUM_THREADS.findall(source)]


def _remove_unpacked() -> None:
    """The folder that torch has unpacked the package to: it would stay when a run is killed.

    It lies in /tmp whatever TMPDIR says (torch 2.7, `package_loader.cpp`); what is loaded from it
    stays mapped.
    """
    for folder in set(UNPACKED.findall(text_of("/proc/self/maps"))):
        shutil.rmtree(folder, ignore_errors=True)
