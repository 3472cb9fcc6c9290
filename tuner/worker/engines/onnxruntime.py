"""ONNX Runtime on the processor."""

from __future__ import annotations

import importlib

from ..failure import one_line
from ..protocol import ReadBack
from ..workload import Workload
from .behind import engine

PROVIDER = "CPUExecutionProvider"


def missing(value: str) -> str:
    """Looked for: installed, whole, with its provider for processors."""
    try:
        runtime = importlib.import_module("onnxruntime")
        providers = runtime.get_available_providers()
    except Exception as error:  # half an installation raises more than ImportError
        return "onnxruntime cannot be used: {}".format(one_line(error))
    return "" if PROVIDER in providers else "this onnxruntime has no {}".format(PROVIDER)


def apply(value: str, workload: Workload) -> None:
    """Call a session from now on."""
    forward = workload.forward = engine("onnxruntime", workload)
    session = forward.loaded
    how = "session on {}".format(", ".join(session.get_providers()))
    forward.back = ReadBack("onnxruntime", True, how)
    threads = session.get_session_options().intra_op_num_threads
    forward.threads = ReadBack(threads, True, "the session's intra_op_num_threads")
