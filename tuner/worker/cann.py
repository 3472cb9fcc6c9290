"""What the files of CANN and of its driver say of their versions; no torch is needed."""

from __future__ import annotations

import glob
import os
import re
from typing import Mapping

from .files import text_of

HOMES = ("ASCEND_HOME_PATH", "ASCEND_TOOLKIT_HOME")
INSTALLED = ("ascend_toolkit_install.info", "ascend_nnae_install.info", "ascend_nnrt_install.info")
DRIVER = "/usr/local/Ascend/driver/version.info"


def version(variables: Mapping[str, str]) -> str:
    """The version that CANN's installation says it has; "" where there is none.

    In the install files of its home, or of the home's folder for the architecture (CANN's
    installation guide).
    """
    for home in filter(None, map(variables.get, HOMES)):
        for name in INSTALLED:
            for folder in (home, os.path.join(home, "*")):
                for path in sorted(glob.glob(os.path.join(folder, name))):
                    number = _version_in(path)
                    if number:
                        return number
    return ""


def driver_version() -> str:
    """The version that the driver says it has; "" where it does not."""
    return _version_in(DRIVER)


def _version_in(path: str) -> str:
    match = re.search(r"^version=(\S+)", text_of(path), re.IGNORECASE | re.MULTILINE)
    return match.group(1) if match else ""
