"""How much CANN logs. Its default is 3, errors only; a lower level in the environment slows it.

Source: CANN's documentation of ASCEND_GLOBAL_LOG_LEVEL.
"""

from __future__ import annotations

import os
from typing import Any

from ..protocol import ReadBack
from ..workload import Workload

VARIABLE = "ASCEND_GLOBAL_LOG_LEVEL"
PER_MODULE = "ASCEND_MODULE_LOG_LEVEL"  # goes before the global level
DEFAULT = 3


def missing(value: Any) -> str:
    """Inert where the environment is as quiet already."""
    level = _level()
    return "{} is {} here already: as quiet".format(VARIABLE, level) if level >= int(value) else ""


def read_back(workload: Workload, start: Any) -> ReadBack:
    """The variable; CANN does not tell what it made of it."""
    text = os.environ.get(VARIABLE) or "unset, default {}".format(DEFAULT)
    how = "{}={}".format(VARIABLE, text)
    if PER_MODULE in os.environ:
        how += "; {}={} goes before it".format(PER_MODULE, os.environ[PER_MODULE])
    return ReadBack(_level(), False, how)


def _level() -> int:
    return int(os.environ.get(VARIABLE) or DEFAULT)  # the probe has refused other text
