"""What the NPU tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.npu import Emulated


@pytest.fixture
def emulated(
    torch_python: str, torch_npu_site: Path, cann: Path, tmp_path: Path, shared: Path
) -> Emulated:
    """torch_npu on an emulated CANN."""
    return Emulated(torch_python, torch_npu_site, cann, tmp_path, shared)
