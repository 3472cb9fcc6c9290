"""Interpreters with torch, torch_npu, the emulated CANN. Tests fail where what they need is absent.

NPU_TUNE_TORCH_NPU names another folder with torch_npu, NPU_TUNE_TORCH_PYTHON another interpreter
with the torch for it (`make test-npu`).
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import TORCH_NPU
from tests.support.cann_emulator import build
from tests.support.once import once


@pytest.fixture(autouse=True)
def _compiled(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test compiles, none compiles again."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(shared / "inductor"))


@pytest.fixture(scope="session")
def torch_python() -> str:
    """An interpreter with torch."""
    python = os.environ.get("NPU_TUNE_TORCH_PYTHON", sys.executable)
    _require(python, "torch")
    return python


@pytest.fixture
def torchvision_python(torch_python: str) -> str:
    """An interpreter with torch and torchvision."""
    _require(torch_python, "torchvision")
    return torch_python


def _require(python: str, module: str) -> None:
    code = f"import importlib.util, sys; sys.exit(not importlib.util.find_spec({module!r}))"
    try:
        missing = subprocess.run([python, "-c", code], check=False).returncode
    except OSError as error:
        pytest.fail(f"NPU_TUNE_TORCH_PYTHON: {error}")
    if missing:
        pytest.fail(f"{python} has no {module}: pip install -e '.[cpu,dev]', or make test-npu")


@pytest.fixture(scope="session")
def torch_npu_site() -> Path:
    """A folder with torch_npu, which only the NPU tests put on the path."""
    if not (TORCH_NPU / "torch_npu").is_dir():
        pytest.fail(
            f"there is no torch_npu in {TORCH_NPU}: make setup, or name a folder with one "
            "in NPU_TUNE_TORCH_NPU"
        )
    return TORCH_NPU


@pytest.fixture(scope="session")
def cann(torch_npu_site: Path, shared: Path) -> Path:
    """The emulated CANN for that torch_npu, built once for each wheel."""
    cache = torch_npu_site / "emulated_cann"
    try:
        once(shared / "cann", lambda _: build.build(torch_npu_site, cache))
        return build.build(torch_npu_site, cache)
    except RuntimeError as error:
        pytest.fail(str(error))
