"""Exported modules of every way to execute, each in a fresh process with its engine."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.programs import ran, written
from tuner.cli.files import beside
from tuner.space import file
from tuner.space.model import Configuration

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
        output, wanted = prepared(*other), Flat().eval()(*(x.float() for x in other))
    tolerance, pairs = float(sys.argv[1]), zip(output, wanted)
    close = all(torch.allclose(a.float(), b, atol=tolerance) for a, b in pairs)
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


NESTED = textwrap.dedent("""
    import tuned
    import torch
    from tests.engines.nested import Nested, inputs
    args, named = inputs()
    example = {"image": args[0], "pair": args[1], **named}
    prepared, given = tuned.prepare(Nested().eval(), example)
    output, wanted = prepared(**dict(reversed(given.items()))), Nested().eval()(**example)
    print(torch.allclose(output["logits"], wanted["logits"], atol=1e-5), output["count"])
""")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino", "aotinductor"])
def test_nested_inputs_by_name_work_in_the_module_too(engine: str, tmp_path: Path) -> None:
    written("python", {"execution": engine}, {}, tmp_path / "tuned.py")
    done = ran([sys.executable, "-c", NESTED], tmp_path, PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "True 3"


@pytest.mark.parametrize(
    "knobs",
    [
        {"execution": "inductor-freezing", "precision": "bfloat16"},
        {"execution": "aotinductor", "memory_format": "channels_last"},
        {"execution": "aotinductor", "precision": "bfloat16-autocast"},
        {"execution": "torchscript", "precision": "bfloat16-autocast"},
    ],
)
def test_what_else_changes_the_model_comes_before_the_engine(
    knobs: Configuration, tmp_path: Path
) -> None:
    written("python", knobs, {}, tmp_path / "tuned.py")
    done = ran([sys.executable, "-c", USE, "5e-2"], tmp_path, PYTHONPATH=f"{ROOT}:{tmp_path}")
    assert done.returncode == 0, done.stderr
    close, calls, *_ = json.loads(done.stdout.splitlines()[-1])
    assert (close, calls) == (True, 0)


def test_the_studys_file_is_put_beside_the_module(tmp_path: Path) -> None:
    kept = tmp_path / "results" / "resnet-18-0123456789abcdef.onnx"
    path = tmp_path / "deployed" / "fast.py"
    gone = f"{kept}: No such file or directory"
    text = f"without the engine's file ({gone}): prepare(model, inputs) makes it anew"
    assert beside(path, kept) == text
    for folder in (kept.parent, path.parent):
        folder.mkdir()
    kept.write_bytes(b"content")
    target = path.with_name("fast-0123456789abcdef.onnx")
    assert beside(path, kept) == f"the engine's file: {target}"
    assert target.read_bytes() == b"content"
