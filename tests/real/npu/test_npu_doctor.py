"""The doctor on torch_npu, with an emulated CANN and without any."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cann_emulator import build
from tuner.diagnose import doctor


def test_the_emulated_device_is_examined_and_labelled(
    torch_python: str, torch_npu_site: Path, cann: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(torch_npu_site))
    monkeypatch.delenv("TASK_QUEUE_ENABLE", raising=False)
    emulated = build.environment(cann, devices=2, cann="7.0.0", driver="25.2.0")
    for name, value in emulated.items():
        monkeypatch.setenv(name, value)
    findings = {finding.name: finding for finding in doctor.examine(torch_python, 1)}
    assert str(findings["device"].seen) == "2 x Ascend910B3 (emulated CANN: no device)"
    assert findings["CANN"].state == "WARN"
    assert str(findings["CANN"].seen) == "7.0.0, older than 8.0.RC1"
    told = {"OK": "25.2.0", "WARN": "unknown version"}  # torch_npu 2.1 asks CANN for no driver
    assert str(findings["driver"].seen) == told[findings["driver"].state]
    assert findings["torch_npu"].state == "OK"
    has_graphs = "NPUGraph" in (torch_npu_site / "torch_npu" / "npu" / "__init__.py").read_text()
    assert findings["graph capture"].state == ("OK" if has_graphs else "WARN")
