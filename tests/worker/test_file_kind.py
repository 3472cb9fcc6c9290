"""A file that is not what its name says is called what it is."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuner.worker.file_kind import exported_by, kind_of, pickled, text_of

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
SAFETENSORS = (16).to_bytes(8, "little") + b'{"a":{"dtype":1}}' + bytes(8)
ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.7.1"
Zipped = Callable[..., Path]


class Detector:
    """A type of a user's own."""


@pytest.fixture
def zipped(tmp_path: Path) -> Zipped:
    """An archive with these files."""

    def make(**contents: bytes) -> Path:
        with zipfile.ZipFile(tmp_path / "x.pt", "w") as archive:
            for name, content in contents.items():
                archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
        return tmp_path / "x.pt"

    return make


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (LFS, "it is a pointer of Git LFS, not the file itself: git lfs pull brings that"),
        (b"\n<!DOCTYPE html>", "it is a web page: download the file itself"),
        (
            b"PK\x03\x04" + bytes(90),
            "it begins as an archive and lacks its end: copy or download it again",
        ),
        (
            ONNX,
            "it is an ONNX model, which torch does not run: name the torch model that it was made "
            "of",
        ),
        (
            b"IMOD" + bytes(60),
            "it is a model for CANN's own runtime: name the torch model that it was made of",
        ),
        (b"def make(): ...", "it is nothing that torch writes"),
        (
            pickle.dumps({"model": Detector()}, protocol=2),
            "it holds a pickled tests.worker.test_file_kind.Detector, which runs its author's code "
            "when it is loaded: write a factory, def make(): return torch.load('PATH', "
            "weights_only=False), and name it as FILE.py:make",
        ),
        (
            pickle.dumps({"epoch": 1}, protocol=2),
            "it holds weights and no model: name the model, or a factory as FILE.py:FUNCTION, and "
            "give this file as --weights",
        ),
        (
            SAFETENSORS,
            'it holds weights in safetensors: python -c "import torch, safetensors.torch as s; '
            "torch.save(s.load_file('PATH'), 'weights.pt')\" writes them for --weights",
        ),
    ],
)
def test_it_is_told_by_what_stands_in_it(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    assert text_of(str(path)) == said.replace("PATH", str(path))


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickled_object_is_named_and_not_loaded(protocol: int, zipped: Zipped) -> None:
    path = zipped(m__data_dot_pkl=pickle.dumps(Detector(), protocol=protocol))
    assert kind_of(str(path)) == "saved"
    assert pickled(str(path)) == "tests.worker.test_file_kind.Detector"


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ({"notes_dot_txt": b"x"}, "it is a zip archive of something else (notes.txt)"),
        (
            {"m__data_dot_pkl": b"", "m__constants_dot_pkl": b""},
            "it is TorchScript: as a --model its name ends in .pt",
        ),
        (
            {"serialized_exported_program_dot_json": b"{}"},
            "it is a program of torch.export.save: as a --model its name ends in .pt2",
        ),
        (
            {"m__models__model_dot_json": b"{}"},
            "it is a program of torch.export.save: as a --model its name ends in .pt2",
        ),
    ],
)
def test_archives_are_told_apart(contents: Any, said: str, zipped: Zipped) -> None:
    assert text_of(str(zipped(**contents))) == said


def test_an_exported_program_says_which_torch_wrote_it(zipped: Zipped) -> None:
    program = b'{"opset_version": {"aten": 10}, "torch_version": "2.11.0+cpu"}'
    assert exported_by(str(zipped(serialized_exported_program_dot_json=program))) == "2.11.0+cpu"
    assert exported_by(str(zipped(serialized_exported_program_dot_json=b"{}"))) is None


def test_a_folder_is_called_one(tmp_path: Path) -> None:
    assert text_of(str(tmp_path)).startswith("it is a folder: name a file in it")
