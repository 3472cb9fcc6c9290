"""OpenVINO on the processor."""

from __future__ import annotations

from typing import Any, Dict, List, Sequence, Tuple

import openvino
import torch

from .file import INPUT, export_onnx

SUFFIX = ".onnx"
THREADS, PRECISION = "INFERENCE_NUM_THREADS", "INFERENCE_PRECISION_HINT"
export = export_onnx


def decides() -> Tuple[Any, ...]:
    """Nothing but the model decides the file."""
    return ()


def load(path: str, own_precision: bool = False) -> Any:
    """By the latency hint, with torch's number of threads, in float32.

    own_precision: bfloat16 or float16 where the processor can, as it does by itself
    (precision-control.rst).
    """
    config: Dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", THREADS: torch.get_num_threads()}
    if not own_precision:
        config[PRECISION] = "f32"
    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", config)


def call(compiled: Any, tensors: Sequence[Any]) -> List[Any]:
    """An input of no effect may be gone from the file."""
    named = {INPUT.format(place): tensor for place, tensor in enumerate(tensors)}
    arrays = [named[item.get_any_name()].numpy() for item in compiled.inputs]
    return [torch.from_numpy(array) for array in compiled(arrays).to_tuple()]
