"""AOTInductor: what torch.compile makes, made before the first call.

The code is for one number of threads, which is written into it (torch 2.7,
`_inductor/codegen/cpp.py`), and for the processor's vector instructions.
"""

from __future__ import annotations

import re
import zipfile

import torch

from ..protocol import ReadBack
from ..workload import Workload
from . import inductor
from .behind import engine

NUM_THREADS = re.compile(rb"num_threads\((\d+)\)")


def missing(value: str) -> str:
    """Looked for in torch, and a compiler for it; torch 2.6 is the first with such packages."""
    inductor.imported()
    if not hasattr(torch._inductor, "aoti_load_package"):
        return "torch {} has no AOTInductor packages".format(torch.__version__)
    return inductor.missing(value)


def apply(value: str, workload: Workload) -> None:
    """Call the package from now on."""
    inductor.imported()
    forward = workload.forward = engine("aotinductor", workload)
    forward.back = ReadBack("aotinductor", True, "the loaded package")
    forward.threads = ReadBack(_threads(forward.path), True, "num_threads in its code")


def _threads(path: str) -> int:
    """As its code says; 1 where nothing in it is parallel."""
    with zipfile.ZipFile(path) as package:
        sources = [package.read(name) for name in package.namelist() if name.endswith(".cpp")]
    counts = [int(count) for source in sources for count in NUM_THREADS.findall(source)]
    return max(counts, default=1)
