"""A workload's forward behind an engine of `applied/engines`."""

from __future__ import annotations

import importlib
import os
from typing import Any

from ..failure import one_line, unsupported
from ..protocol import OUT_OF_MEMORY
from ..workload import Workload


def engine(name: str, workload: Workload, **options: Any) -> Any:
    """The workload's model behind the engine of that name; its file is made once a study.

    options: of the engine's `load`. Raises RunError for a model that it cannot take.
    """
    at_work = importlib.import_module("...applied.engines." + name, __name__)
    behind = importlib.import_module("...applied.engines.behind", __name__)
    stem = os.path.join(workload.exports, "")
    try:
        forward = behind.Behind(
            at_work, workload.module, workload.args, workload.kwargs, stem, workload.phase,
            **options,
        )  # fmt: skip
    except (OSError, MemoryError):  # no doing of the engine
        raise
    except Exception as error:  # models and engines fail in more ways than can be named
        if OUT_OF_MEMORY.search(str(error)):
            raise
        raise unsupported("{}: {}".format(name, one_line(error)))
    workload.exported = os.path.basename(forward.path)
    return forward
