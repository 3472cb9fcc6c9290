"""Where the shared libraries lie that a search space may preload."""

from __future__ import annotations

import glob
import os
import sys
from typing import List, Sequence


def find_library(name: str, folders: Sequence[str] = ()) -> str:
    """The first file that a pattern such as `libtcmalloc*.so.4` fits; "" where there is none.

    In these folders, then in the usual ones.
    """
    for folder in [*folders, *_folders()]:
        for path in sorted(glob.glob(os.path.join(folder, name))):
            return path
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
