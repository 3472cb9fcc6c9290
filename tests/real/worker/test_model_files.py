"""Models that come as files: what torch itself has written, under its own name and another."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tuner.worker import batch, build, file_kind, weights
from tuner.worker.failure import RunError
from tuner.worker.models import exported, torchscript
from tuner.worker.protocol import ModelSpec, Role, TrialSpec

NET = torch.nn.Sequential(torch.nn.Linear(4, 2))
EXAMPLE = (torch.zeros(1, 4),)
Write = Callable[[str], object]


def scripted(path: str) -> None:
    torch.jit.save(torch.jit.script(NET), path)


def program(path: str) -> None:
    torch.export.save(torch.export.export(NET, EXAMPLE), path)


WRITTEN: dict[str, tuple[Write, str]] = {
    "module": (
        lambda path: torch.save(NET, path),
        "it holds a pickled torch.nn.modules.container.Sequential, which runs its author's code",
    ),
    "state": (lambda path: torch.save(NET.state_dict(), path), "it holds weights and no model"),
    "old": (
        lambda path: torch.save(NET.state_dict(), path, _use_new_zipfile_serialization=False),
        "it holds weights and no model",
    ),
    "old module": (
        lambda path: torch.save(NET, path, _use_new_zipfile_serialization=False),
        "it holds a pickled torch.nn.modules.container.Sequential",
    ),
    "checkpoint": (
        lambda path: torch.save({"epoch": 1, "model": NET.state_dict()}, path),
        "it holds weights and no model",
    ),
    "program": (program, "it is a program of torch.export.save: as a --model"),
    "script": (scripted, "it is TorchScript: as a --model its name ends in .pt"),
}


@pytest.mark.parametrize("kind", sorted(WRITTEN))
def test_what_torch_has_written_is_told_apart(kind: str, tmp_path: Path) -> None:
    write, said = WRITTEN[kind]
    path = str(tmp_path / "model.pt")
    write(path)
    assert file_kind.text_of(path).startswith(said)
    loads: dict[str, tuple[Callable[[str], Any], str]] = {
        "script": (lambda name: torchscript.load(ModelSpec("torchscript", name)), "is not Torch"),
        "program": (lambda name: exported.load(ModelSpec("exported", name)), "is not a program"),
    }
    for name, (load, refusal) in loads.items():
        if name == kind:
            assert load(path).module(*EXAMPLE).shape == (1, 2)
            continue
        with pytest.raises(RunError, match=re.escape(f"{path} {refusal}")) as refused:
            load(path)
        assert said in str(refused.value)


def test_weights_that_are_none_are_called_what_they_are(tmp_path: Path) -> None:
    path = str(tmp_path / "weights.pt")
    scripted(path)
    with pytest.raises(RunError, match=r"weights\.pt is no checkpoint: it is TorchScript"):
        weights.load(NET, path)
    Path(path).write_bytes(b"")
    with pytest.raises(RunError, match=r"is no checkpoint: it is empty"):
        weights.load(NET, path)


def test_a_program_of_another_torch_is_said_with_both(tmp_path: Path) -> None:
    written, path = tmp_path / "written.pt2", tmp_path / "model.pt2"
    program(str(written))
    with zipfile.ZipFile(written) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            content = before.read(name)
            if name.endswith(".json"):
                content = content.replace(b'"major": 8', b'"major": 99')
                content = re.sub(rb'"torch_version": "[^"]+"', b'"torch_version": "9.0"', content)
            after.writestr(name, b"99.1" if name == "version" else content)
    with pytest.raises(RunError) as refused:
        exported.load(ModelSpec("exported", str(path)))
    here = re.escape(torch.__version__)
    text = rf"model\.pt2 was exported by torch 9\.0 and torch {here} does not read it \(.*\): "
    assert re.search(text + "export it anew with that$", str(refused.value))


def test_a_program_of_a_single_batch_size_has_no_batch(tmp_path: Path) -> None:
    path = str(tmp_path / "model.pt2")
    program(path)
    spec = TrialSpec("s", 0, Role.PROBE, "cpu", ModelSpec("exported", path))
    workload = build.workload_of(exported.load(spec.model), spec)
    why = batch.why_none(workload, 0)
    assert why.startswith(
        "it does not take twice the inputs: RuntimeError: Expected input at *args"
    )
