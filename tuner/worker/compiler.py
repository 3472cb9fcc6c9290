"""Does what torch.compile makes of C++ work here? Tried once, with a library of one function."""

from __future__ import annotations

import ctypes
import functools
import os
import subprocess
import sysconfig
import tempfile

from .failure import one_line

FOLDER = "TORCHINDUCTOR_CACHE_DIR"
COMPILE_S = 120.0  # one function; a loaded host takes some seconds
FUNCTION = 'extern "C" double root(double x) { return std::sqrt(x); }'


@functools.lru_cache(maxsize=None)
def fault(compiler: str, needs_python: bool) -> str:
    """The compiler's own line, or the loader's, where it does not; "" where it does.

    As inductor does it: with OpenMP, mostly with Python's headers (needs_python), the library
    loaded from its cache folder, where the host may forbid that.
    """
    headers = ["cmath", "omp.h"] + (["Python.h"] if needs_python else [])
    source = "".join("#include <{}>\n".format(header) for header in headers) + FUNCTION
    folder = os.environ.get(FOLDER) or tempfile.gettempdir()
    try:
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as place:
            return _tried(compiler, source, os.path.join(place, "root"))
    except (OSError, subprocess.TimeoutExpired) as error:
        return one_line(error)


def _tried(compiler: str, source: str, stem: str) -> str:
    with open(stem + ".cpp", "w", encoding="utf-8") as file:
        file.write(source + "\n")
    command = [compiler, "-shared", "-fPIC", "-fopenmp", "-I" + sysconfig.get_paths()["include"]]
    made = subprocess.run(
        [*command, stem + ".cpp", "-o", stem + ".so"], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMPILE_S, check=False,
    )  # fmt: skip
    if made.returncode:
        lines = made.stdout.decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if "error" in line] or lines or ["no word of why"]
        return "{} cannot compile for inductor: {}".format(compiler, errors[0].replace(stem, ""))
    try:
        ctypes.CDLL(stem + ".so")
    except OSError as error:
        return "what {} compiles cannot be loaded: {}".format(compiler, error)
    return ""
