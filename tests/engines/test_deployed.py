"""Exported modules of every way to execute, each in a fresh process with its engine."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.programs import ran, written
from tuner.cli.studies import beside
from tuner.space import file

WAYS = [v.value for v in file.load(file.find("cpu")).entries["execution"].entries()]
USE = textwrap.dedent("""
    import json, os, sys
    import tuned
    import torch
    from tests.engines.nested import Flat, inputs
    calls = []
    class Counting(Flat):
        def forward(self, *tensors):
            if not torch.compiler.is_compiling():
                calls.append(0)
            return super().forward(*tensors)
    model, example = Counting().eval(), inputs()[0][:1]
    with torch.no_grad():
        prepared, given = tuned.prepare(model, example)
        prepared(*given)
        before = len(calls)
        other = tuple(-tensor for tensor in given)
        output, wanted = prepared(*other), Flat().eval()(*other)
    close = all(torch.allclose(a, b, atol=float(sys.argv[1])) for a, b in zip(output, wanted))
    files = sorted(n for n in os.listdir(".") if n.startswith("tuned-"))
    print(json.dumps([close, len(calls) - before, files, torch.get_num_threads()]))
""")


@pytest.mark.parametrize("way", WAYS)
def test_the_module_gives_what_the_model_gives_without_calling_it(way: str, tmp_path: Path) -> None:
    written("python", {"execution": way, "threads": 1}, {}, tmp_path / "tuned.py")
    suffix = file.load(file.find("cpu")).entries["execution"].file_of(way)
    tolerance = "1e-2" if way.endswith("own-precision") else "1e-5"
    made: list[list[str]] = []
    for _ in range(2):
        done = ran(
            [sys.executable, "-c", USE, tolerance], tmp_path, PYTHONPATH=f"{ROOT}:{tmp_path}"
        )
        assert done.returncode == 0, done.stderr
        close, calls, files, threads = json.loads(done.stdout.splitlines()[-1])
        assert (close, calls, threads) == (True, 0, 1)
        made.append(files)
    assert made[0] == made[1]
    assert [Path(name).suffix for name in made[0]] == ([suffix] if suffix else [])


def test_an_input_that_is_no_tensor_is_refused_with_its_type(tmp_path: Path) -> None:
    written("python", {"execution": "onnxruntime"}, {}, tmp_path / "tuned.py")
    code = "import tuned, torch; tuned.prepare(torch.nn.Identity(), ('a text',))"
    done = ran([sys.executable, "-c", code], tmp_path)
    assert "TypeError: an engine takes and gives tensors, not <class 'str'>" in done.stderr


def test_the_studys_file_is_put_beside_the_module(tmp_path: Path) -> None:
    kept = tmp_path / "results" / "resnet-18-0123456789abcdef.onnx"
    path = tmp_path / "deployed" / "fast.py"
    assert beside(path, kept).endswith("prepare(model, inputs) makes it anew")
    for folder in (kept.parent, path.parent):
        folder.mkdir()
    kept.write_bytes(b"content")
    target = path.with_name("fast-0123456789abcdef.onnx")
    assert beside(path, kept) == f"the engine's file: {target}"
    assert target.read_bytes() == b"content"
