"""Graph capture on the real torch_npu with an emulated CANN that captures."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from tests.support import DATA
from tests.support.cann_emulator import build
from tests.support.cann_emulator.calls import of_processes, total
from tests.support.npu import Emulated

REPLAYS, MEASURED_BEFORE = 100, 4  # three calls of its own, and the captured one
Answers = dict[str, dict[str, Any]]


@pytest.fixture(autouse=True)
def _captures(emulated: Emulated) -> None:
    if "NPUGraph" not in (emulated.site / "torch_npu" / "npu" / "__init__.py").read_text():
        pytest.skip("2.1.0.post10 has no NPUGraph; that it says so is tested elsewhere")


def answers(emulated: Emulated, *factories: str) -> Answers:
    """What becomes of each factory's model, by its name."""
    stats = emulated.folder / "calls"
    stats.mkdir()
    variables = build.environment(emulated.libraries, numerics=1, stats=stats)
    files = DATA / "programs" / "captures.py", DATA / "models" / "captured.py"
    done = subprocess.run(
        [emulated.python, *map(str, files), str(REPLAYS), *factories],
        env={**os.environ, **variables, "PYTHONPATH": str(emulated.site)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return dict(zip(factories, lines, strict=True))


def test_replays_are_right_with_new_inputs_and_cost_one_call_each(emulated: Emulated) -> None:
    answer = answers(emulated, "captured")["captured"]
    assert answer["outcome"] == "ok"
    assert answer["error"] < 1e-6
    assert answer["kept"] < 1e-6  # an output that is kept while the graph is replayed
    assert answer["back"][0] == "npugraph"
    assert answer["back"][1].startswith(f"replayed {REPLAYS} times, its pool takes ")
    (calls,) = of_processes(emulated.folder / "calls")  # forked, so it is its parent's too
    assert total(calls, "graph:replay") == REPLAYS
    assert total(calls, "aclnn-2:aclnnConvolution") == 2 * MEASURED_BEFORE
    assert total(calls, "aclnn-2:aclnnRelu") == 2 * MEASURED_BEFORE


def test_what_cannot_be_captured_is_unsupported_with_its_reason(emulated: Emulated) -> None:
    reasons = {
        "branches": "LocalScalarDense",
        "goes_to_the_host": "aclrtMemcpy, error code is 107030",
        "synchronizes": "npuSynchronizeDevice",
        "captured+": "Current working aclop is Conv2D",
    }
    seen = answers(emulated, *reasons)
    assert {name: answer["outcome"] for name, answer in seen.items()} == dict.fromkeys(
        reasons, "unsupported"
    )
    for name, reason in reasons.items():
        assert seen[name]["message"].startswith("graph capture: RuntimeError: "), name
        assert reason in seen[name]["message"], name
        assert "(captured.py:" in seen[name]["message"], name
