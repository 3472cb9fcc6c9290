"""OpenVINO on the processor: in float32, or in what it chooses by itself."""

from __future__ import annotations

import importlib

from ..failure import one_line
from ..protocol import ReadBack
from ..workload import Workload
from .behind import engine

OWN = "openvino-own-precision"
THREADS, PRECISION = "INFERENCE_NUM_THREADS", "INFERENCE_PRECISION_HINT"


def missing(value: str) -> str:
    """Looked for: installed, whole, with its plugin for processors."""
    try:
        devices = importlib.import_module("openvino").Core().available_devices
    except Exception as error:  # half an installation raises more than ImportError
        return "openvino cannot be used: {}".format(one_line(error))
    return "" if "CPU" in devices else "this openvino has no plugin for processors"


def apply(value: str, workload: Workload) -> None:
    """Call what it has compiled from now on."""
    forward = workload.forward = engine("openvino", workload, own_precision=value == OWN)
    compiled = forward.loaded
    precision = compiled.get_property(PRECISION).to_string()
    own = "openvino" if precision == "f32" else OWN  # whatever was asked
    forward.back = ReadBack(own, True, "{} is {}".format(PRECISION, precision))
    forward.threads = ReadBack(int(compiled.get_property(THREADS)), True, THREADS)
