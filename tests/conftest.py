"""Shared fixtures. Tests that need torch use the interpreter's own and fail where it has none."""

from __future__ import annotations

import importlib.util
import platform
import sys
from importlib import metadata
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"


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
