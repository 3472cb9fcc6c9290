"""Where the shared libraries lie that a search space may preload."""

from __future__ import annotations

import glob
import os
import subprocess
import sys
from typing import List, Sequence

START_S = 60.0  # an interpreter that only begins and ends takes a fraction of a second


def find_library(name: str, folders: Sequence[str] = ()) -> str:
    """The first file that a pattern such as `libtcmalloc*.so.4` fits; "" where there is none.

    In these folders, then in the usual ones.
    """
    for folder in [*folders, *_folders()]:
        for path in sorted(glob.glob(os.path.join(folder, name))):
            return path
    return ""


def preload_fault(path: str) -> str:
    """What the loader, or the library itself, says when it is preloaded; "" where it works.

    An interpreter is started with it. The loader leaves out what it cannot load, with a line.
    """
    command, variables = [sys.executable, "-c", ""], {**os.environ, "LD_PRELOAD": path}
    try:
        begun = subprocess.run(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, timeout=START_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "python hangs with it"
    lines = begun.stderr.decode(errors="replace").strip().splitlines()
    if begun.returncode or any("cannot be preloaded" in line for line in lines):
        return lines[0] if lines else "python ends with {}".format(begun.returncode)
    return ""


def _folders() -> List[str]:
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(":")
    folders += [os.path.join(sys.prefix, "lib"), "/usr/local/lib", "/usr/local/lib64"]
    folders += [
        "/usr/lib/{}-linux-gnu".format(os.uname().machine),
        "/usr/lib64",
        "/usr/lib",
        "/lib64",
    ]
    return [folder for folder in folders if folder]
