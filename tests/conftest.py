"""Shared fixtures. What needs torch, torch_npu or a compiler lies in tests/real, with its own."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.pretend import pretend
from tests.support.programs import exported
from tests.support.studies import study, study_original
from tuner import language, text

__all__ = ["exported", "pretend", "study", "study_original"]


def pytest_report_header() -> str:
    """Versions that matter when a test fails elsewhere."""
    packages = ("optuna", "sqlalchemy", "torch", "torchvision")
    versions = [
        f"{name} {metadata.version(name)}" for name in packages if importlib.util.find_spec(name)
    ]
    return f"{platform.python_version()}: " + ", ".join(versions)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of the session have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    yield
    language.use("en")  # --lang speaks for the whole process
    text.keep_in("")  # as --storage does


@pytest.fixture(scope="session", autouse=True)
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Locks of this session's own: it neither waits for a real study nor makes one wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPU_TUNE_LOCKS", str(tmp_path_factory.mktemp("locks")))
        yield
