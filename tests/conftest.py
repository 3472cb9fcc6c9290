"""Shared fixtures. Tests that need torch use the interpreter's own and fail where it has none."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest

from .cann_emulator import build

DATA = Path(__file__).parent / "data"
TORCH_NPU = Path(os.environ.get("NPU_TUNE_TORCH_NPU", Path(__file__).parent.parent / ".torch_npu"))


def pytest_report_header() -> str:
    """Versions that matter when a test fails elsewhere."""
    packages = ("optuna", "sqlalchemy", "torch", "torchvision")
    found = [
        f"{name} {metadata.version(name)}" for name in packages if importlib.util.find_spec(name)
    ]
    return f"{platform.python_version()}: " + ", ".join(found)


@pytest.fixture
def torch_python() -> str:
    """An interpreter with torch and torchvision."""
    for name in ("torch", "torchvision"):
        if importlib.util.find_spec(name) is None:
            pytest.fail(f"{sys.executable} has no {name}: pip install -e '.[cpu,dev]'")
    return sys.executable


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
def cann(torch_npu_site: Path) -> Path:
    """The emulated CANN for that torch_npu, built once for each wheel."""
    try:
        return build.build(torch_npu_site, torch_npu_site / "emulated_cann")
    except RuntimeError as error:
        pytest.fail(str(error))
