"""Shared fixtures. Tests that need torch use the interpreter's own and fail where it has none.

NPU_TUNE_TORCH_NPU names another folder with torch_npu, NPU_TUNE_TORCH_PYTHON another interpreter
with the torch for it (`make test-npu`).
"""

from __future__ import annotations

import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.support.cann_emulator import build
from tests.support.once import once
from tests.support.pretend import pretend
from tests.support.programs import exported
from tests.support.studies import stored, won
from tuner import language

__all__ = ["exported", "pretend", "stored", "won"]

TORCH_NPU = Path(os.environ.get("NPU_TUNE_TORCH_NPU", Path(__file__).parent.parent / ".torch_npu"))


def pytest_report_header() -> str:
    """Versions that matter when a test fails elsewhere."""
    packages = ("optuna", "sqlalchemy", "torch", "torchvision")
    found = [
        f"{name} {metadata.version(name)}" for name in packages if importlib.util.find_spec(name)
    ]
    return f"{platform.python_version()}: " + ", ".join(found)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of the session have in common."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(autouse=True)
def _english() -> Iterator[None]:
    yield
    language.use("en")  # --lang speaks for the whole process


@pytest.fixture(scope="session", autouse=True)
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Locks of this session's own: it neither waits for a real study nor makes one wait."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NPU_TUNE_LOCKS", str(tmp_path_factory.mktemp("locks")))
        yield


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
