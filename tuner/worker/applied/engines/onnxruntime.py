"""ONNX Runtime on the processor."""

from __future__ import annotations

from typing import Any, List, Sequence, Tuple

import onnxruntime
import torch

from .file import INPUT, export_onnx

SUFFIX, PROVIDER = ".onnx", "CPUExecutionProvider"
export = export_onnx


def decides() -> Tuple[Any, ...]:
    """Nothing but the model decides the file."""
    return ()


def load(path: str) -> Any:
    """A session with torch's number of threads, which spin for work within a call, not after it.

    By itself it sizes its pool from the machine, whatever processors it may use
    (onnxruntime#12819), and what spins on slows what comes after (#13808).
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return onnxruntime.InferenceSession(path, options, providers=[PROVIDER])


def call(session: Any, tensors: Sequence[Any]) -> List[Any]:
    """An input of no effect may be gone from the file."""
    named = {INPUT.format(place): tensor for place, tensor in enumerate(tensors)}
    feed = {item.name: named[item.name].numpy() for item in session.get_inputs()}
    return [torch.from_numpy(array) for array in session.run(None, feed)]
