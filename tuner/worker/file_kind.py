"""What a file is, by what stands in it, whatever its name says. Runs nothing of it."""

from __future__ import annotations

import contextlib
import os
import pickletools
import re
import zipfile
from typing import Any, List, Optional

HEAD_BYTES = 64
SHOWN_NAMES = 3
PICKLES = 5
EXPORTED_PROGRAM = re.compile(r"(^|/)(serialized_exported_program|models/[^/]+)\.json$")
ONNX_FIELDS = b"\x12\x1a\x22\x2a\x32\x3a\x42"  # of onnx.ModelProto, after its version
EMPTY, LFS, HTML, CUT_OFF = "empty", "lfs", "html", "cut off"
ONNX, SAFETENSORS, OM = "onnx", "safetensors", "om"
TORCHSCRIPT, EXPORTED, SAVED, ZIP, UNKNOWN = "torchscript", "exported", "saved", "zip", "unknown"

TEXTS = {
    EMPTY: "it is empty",
    LFS: "it is a pointer of Git LFS, not the file itself: git lfs pull brings that",
    HTML: "it is a web page: download the file itself",
    CUT_OFF: "it begins as an archive and lacks its end: copy or download it again",
    ONNX: "it is an ONNX model, which torch does not run: name the torch model that it was made of",
    OM: "it is a model for CANN's own runtime: name the torch model that it was made of",
    SAFETENSORS: (
        'it holds weights in safetensors: python -c "import torch, '
        "safetensors.torch as s; torch.save(s.load_file('FILE'), 'weights.pt')\" writes them for "
        "--weights"
    ),
    TORCHSCRIPT: "it is TorchScript: as a --model its name ends in .pt",
    EXPORTED: "it is a program of torch.export.save: as a --model its name ends in .pt2",
    ZIP: "it is a zip archive of something else ({})",
    UNKNOWN: "it is nothing that torch writes",
}

PICKLED = (
    "it holds a pickled {}, which runs its author's code when it is loaded: write a factory, "
    "def make(): return torch.load({!r}, weights_only=False), and name it as FILE.py:make"
)
WEIGHTS = (
    "it holds weights and no model: name the model, or a factory as FILE.py:FUNCTION, and give "
    "this file as --weights"
)


def kind_of(path: str) -> str:
    """One of the above."""
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        return EMPTY
    if head.startswith(b"version https://git-lfs"):
        return LFS
    if head.lstrip()[:1] == b"<":
        return HTML
    if head.startswith(b"IMOD"):
        return OM
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < os.path.getsize(path):
        return SAFETENSORS
    if head.startswith(b"PK\x03\x04"):
        return _kind_of_archive(path)
    if head[:1] == b"\x80":  # a pickle: torch before 1.6 wrote nothing else
        return SAVED
    if head[:1] == b"\x08" and head[1] < 32 and head[2] in ONNX_FIELDS:
        return ONNX
    return UNKNOWN


def _names(path: str) -> List[str]:
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def _kind_of_archive(path: str) -> str:
    if not zipfile.is_zipfile(path):
        return CUT_OFF
    names = _names(path)
    if any(EXPORTED_PROGRAM.search(name) for name in names):
        return EXPORTED
    if any(name.endswith("/constants.pkl") for name in names):
        return TORCHSCRIPT
    return SAVED if any(name.endswith("/data.pkl") for name in names) else ZIP


def text_of(path: str) -> str:
    """What it is, and what to do with it."""
    if os.path.isdir(path):
        return "it is a folder: name a file in it, or write a factory, as FILE.py:FUNCTION"
    kind = kind_of(path)
    if kind == SAVED:
        type_ = pickled(path)
        return (PICKLED if type_ else WEIGHTS).format(type_ or "", path)
    if kind == ZIP:
        return TEXTS[ZIP].format(", ".join(_names(path)[:SHOWN_NAMES]))
    return TEXTS[kind].replace("FILE", path) if kind == SAFETENSORS else TEXTS[kind]


def pickled(path: str) -> str:
    """The first type in what torch.save wrote that is neither a tensor's nor Python's own.

    torch.nn's modules are such types. "" where there is none.
    """
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            return _first_type(file)
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/data.pkl"))
        with archive.open(name) as file:
            return _first_type(file)


def _first_type(file: Any) -> str:
    """Torch before 1.6 wrote several pickles into a file, and then what is none."""
    strings: List[str] = []
    with contextlib.suppress(Exception):
        for _ in range(PICKLES):
            for code, argument, _ in pickletools.genops(file):
                if code.name == "GLOBAL":
                    strings = str(argument).split(" ")
                elif isinstance(argument, str):
                    strings = [*strings[-1:], argument]
                if code.name in ("GLOBAL", "STACK_GLOBAL") and _is_type(strings[0]):
                    return ".".join(strings)
    return ""


def _is_type(module: str) -> bool:
    if module.split(".")[0] == "torch":
        return module.startswith(("torch.nn.modules", "torch.ao", "torch.nn.quantized", "torch.fx"))
    return not module.startswith(("collections", "builtins", "__builtin__", "numpy", "_codecs"))


def exported_by(path: str) -> Optional[str]:
    """The version of torch that wrote an exported program; None where it does not say."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if EXPORTED_PROGRAM.search(name):
                found = re.search(rb'"torch_version": *"([^"]+)"', archive.read(name))
                return found.group(1).decode() if found else None
    return None
