"""The file that an engine loads: exported once, found again by what is in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import inspect
import os
import tempfile
from typing import Any, Callable, Dict, List, Sequence

import torch

INPUT = "input_{}"


class Flat(torch.nn.Module):  # type: ignore[misc]
    """A model as exporters take it: of tensors alone, giving a tuple of tensors.

    call: does that with the model.
    """

    def __init__(self, model: Any, call: Callable[..., Sequence[Any]]) -> None:
        super().__init__()
        self.model, self.flat_call = model, call

    def forward(self, *tensors: Any) -> Any:
        """Of the inputs' tensors in order, those of the output."""
        return tuple(self.flat_call(*tensors))


def exported(path: str, make: Callable[[str], None]) -> str:
    """The path, once `make(path)` has made it where there is none. Who else wants it waits."""
    if os.path.exists(path):
        return path
    folder, name = os.path.split(path)
    os.makedirs(folder, exist_ok=True)
    with open(path + ".lock", "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            if not os.path.exists(path):
                with tempfile.TemporaryDirectory(dir=folder) as place:
                    make(os.path.join(place, name))
                    os.replace(os.path.join(place, name), path)
        finally:
            with contextlib.suppress(FileNotFoundError):  # another, who waited, was first
                os.remove(lock.name)
    return path


def digest(model: Any, tensors: Sequence[Any], *more: Any) -> str:
    """Of all that makes the file: classes, weights, inputs, torch, and whatever else decides it.

    Not of functions that the model calls beside its classes: after a change there, delete the file.
    """
    content = hashlib.sha256(repr((torch.__version__, *more)).encode())
    for kind in sorted({type(module) for module in model.modules()}, key=repr):
        content.update(_source(kind).encode())
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        content.update(repr((name, tuple(tensor.shape), tensor.dtype, tensor.stride())).encode())
        plain = tensor.detach().dequantize() if tensor.is_quantized else tensor.detach()
        content.update(memoryview(plain.contiguous().reshape(-1).view(torch.uint8).numpy()))
    for tensor in tensors:
        content.update(repr((tuple(tensor.shape), tensor.dtype, tensor.stride())).encode())
    return content.hexdigest()[:16]


def _source(kind: type) -> str:
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError):  # of a class that was made while the program ran
        return repr(kind)


def export_onnx(flat: Any, tensors: Sequence[Any], path: str) -> None:
    """As ONNX, its inputs named `input_0` and on.

    By the dynamo exporter where torch has it with what it needs, else by TorchScript's. Raises
    RuntimeError with what the first of them said.
    """
    names, refused = [INPUT.format(place) for place in range(len(tensors))], []
    for how in _exporters():
        try:
            with torch.no_grad():
                torch.onnx.export(flat.eval(), tuple(tensors), path, input_names=names, **how)
            return
        except Exception as error:  # an export fails in as many ways as models can be written
            refused.append(error)
    raise RuntimeError("torch.onnx.export: {}".format(refused[0])) from refused[0]


def _exporters() -> List[Dict[str, Any]]:
    """What is asked of torch.onnx.export, the best first."""
    if "dynamo" not in inspect.signature(torch.onnx.export).parameters:
        return [{}]
    by_dynamo: Dict[str, Any] = {"dynamo": True, "external_data": False}
    has = importlib.util.find_spec("onnxscript") is not None
    return [*([by_dynamo] if has else []), {"dynamo": False}]
