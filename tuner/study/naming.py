"""Which model source a model's name stands for, and how a study is called."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..errors import UsageError
from ..options import Setup
from ..parse import shape_and_dtype
from ..worker.protocol import ModelSpec


def model_spec(options: Setup) -> ModelSpec:
    """Which model source the name stands for, with paths made absolute."""
    name = options.model
    inputs = [shape_and_dtype(text) for text in options.inputs]
    weights = options.weights
    if weights not in (None, "DEFAULT"):
        weights = os.path.join(options.folder, str(weights))
    source, reference = "torchvision", name
    _, colon, factory = name.rpartition(":")
    if colon and factory.isidentifier():
        source, reference = "python_file", function_reference(name, options.folder)
    elif name.endswith(".pt2"):
        source, reference = "exported", os.path.join(options.folder, name)
    elif name.endswith(".py"):
        raise UsageError(f"model {name}: say which function makes the model: {name}:FACTORY")
    elif name.endswith((".pt", ".pth", ".ts", ".torchscript")) or _is_path(name, options.folder):
        source, reference = "torchscript", os.path.join(options.folder, name)
    return ModelSpec(source, reference, weights, inputs, options.folder, options.batch_dim)


def _is_path(name: str, folder: str) -> bool:
    """A file of another kind, which the loader will call what it is."""
    known = (".onnx", ".om", ".safetensors", ".bin", ".ckpt", ".h5", ".pb", ".tflite", ".pkl")
    there = os.path.exists(os.path.join(folder, name)) and ("/" in name or "." in name)
    return there or name.endswith(known)


def function_reference(name: str, folder: str) -> str:
    """`file.py:function` with the file's path made absolute; a module's is looked up by name."""
    place, colon, function = name.rpartition(":")
    return os.path.join(folder, place) + colon + function if place.endswith(".py") else name


def check_name(study: str) -> None:
    """Refuse a study's name that could not be a file's. Raises UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", study):
        raise UsageError(f"--study {study}: letters, digits, '_', '.' and '-' only, at most 100")


def model_name(model: str) -> str:
    """A short name for the study: letters, digits, `_`, `.` and `-` only."""
    name = Path(model.partition(":")[0]).stem if "/" in model or "." in model else model
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "model"
