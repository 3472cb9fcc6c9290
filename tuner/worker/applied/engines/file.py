"""The file that an engine loads: exported once, found again by what is in it."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.util
import inspect
import os
import tempfile
from typing import Any, Callable, Dict, Iterator, List, Sequence, Set

import torch

INPUT = "input_{}"
LARGEST_BYTES = 2**31 - 2**24  # what protobuf can hold, less the graph
PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.dtype, torch.device)


class Flat(torch.nn.Module):  # type: ignore[misc]
    """A model as exporters take it: of tensors alone, giving a tuple of tensors.

    call: does that with the model.
    """

    def __init__(self, model: Any, call: Callable[..., Sequence[Any]]) -> None:
        super().__init__()
        self.model, self.flat_call = model, call
        self.training = model.training  # of this module alone: the model stays as it is

    def forward(self, *tensors: Any) -> Any:
        """Of the inputs' tensors in order, those of the output; none is an input itself."""
        outputs = self.flat_call(*tensors)
        return tuple(o.clone() if any(o is tensor for tensor in tensors) else o for o in outputs)


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
    """Of all that makes the file: the model, its inputs, torch, and whatever else decides it.

    Of the model its classes, settings and weights; not what functions do that it calls beside its
    classes: after a change there, delete the file.
    """
    content = hashlib.sha256(repr((torch.__version__, *more)).encode())
    for text in _description(model):
        content.update(text.encode())
    for name, tensor in _tensors(model):
        content.update(repr((name, tuple(tensor.shape), tensor.dtype, tensor.stride())).encode())
        plain = tensor.detach().dequantize() if tensor.is_quantized else tensor.detach()
        content.update(memoryview(plain.contiguous().reshape(-1).view(torch.uint8).numpy()))
    for tensor in tensors:
        content.update(repr((tuple(tensor.shape), tensor.dtype, tensor.stride())).encode())
    return content.hexdigest()[:16]


def _description(model: Any) -> Iterator[str]:
    """What its modules say of themselves, their plain attributes, the source of their classes."""
    yield repr(model)
    yield str(getattr(model, "inlined_graph", ""))  # of a TorchScript program
    kinds: Set[type] = set()
    for name, module in model.named_modules():
        kinds.update(type(module).__mro__)
        plain = {k: v for k, v in vars(module).items() if _is_plain(v)}
        yield repr((name, sorted(plain.items())))
    for kind in sorted(kinds, key=repr):
        if kind.__module__.split(".")[0] in ("builtins", "torch"):  # torch has its version
            yield repr(kind)
            continue
        try:
            yield inspect.getsource(kind)
        except (OSError, TypeError):  # of a class that was made while the program ran
            yield repr(kind)


def _is_plain(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_plain(item) for item in value)
    return isinstance(value, PLAIN)


def _tensors(model: Any) -> Iterator[Any]:
    """Parameters, buffers, and tensors that are neither; each with its name."""
    yield from model.named_parameters()
    yield from model.named_buffers()
    for name, module in model.named_modules():
        for key, value in sorted(vars(module).items()):
            if isinstance(value, torch.Tensor):
                yield "{}.{}".format(name, key), value


def export_onnx(flat: Any, tensors: Sequence[Any], path: str) -> None:
    """As ONNX, its inputs named `input_0` and on.

    By the dynamo exporter where torch has it with what it needs, else by TorchScript's. Raises
    RuntimeError with what the first of them said.
    """
    size_bytes = sum(tensor.numel() * tensor.element_size() for _, tensor in _tensors(flat))
    if size_bytes > LARGEST_BYTES:
        text = "its weights take {:.1f} GB, one ONNX file holds 2"
        raise RuntimeError(text.format(size_bytes / 1e9))
    names, refused = [INPUT.format(place) for place in range(len(tensors))], []
    for how in _exporters():
        try:
            with torch.no_grad():
                torch.onnx.export(flat, tuple(tensors), path, input_names=names, **how)
            return
        except OSError:
            raise
        except Exception as error:  # an export fails in as many ways as models can be written
            refused.append(error)
    raise RuntimeError("torch.onnx.export: {}".format(refused[0])) from refused[0]


def _exporters() -> List[Dict[str, Any]]:
    """What is asked of torch.onnx.export, the best first."""
    if "dynamo" not in inspect.signature(torch.onnx.export).parameters:
        return [{}]
    by_dynamo: Dict[str, Any] = {"dynamo": True, "external_data": False, "verbose": False}
    has = importlib.util.find_spec("onnxscript") is not None
    return [*([by_dynamo] if has else []), {"dynamo": False}]
