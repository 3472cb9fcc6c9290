"""Makes pretended interpreters: whole studies through real processes, in seconds, without torch."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("pretend_python.py")
FINGERPRINT = {
    "python": "3.11.7", "torch": "2.9.0", "torchvision": "0.24.0", "torch_npu": "",
    "machine": "x86_64", "processor": "pretended", "cpus": 2, "usable_cpus": 2,
    "memory_bytes": 2**32, "host": "pretended", "kernel": "6.1", "variables": {},
}  # fmt: skip
# factors, failures and digests are by label (see pretend_python.py). factors: of the latency.
# failures: outcome and message, or signal or exit code and a message for the log.
# scatter: from run to run, standard deviation of log(latency). missing: handler=value -> why.
# resolved: what an unset knob is. memory: of a run's `Memory`; empty for none. How long it takes in
# a heat to prepare, to take a turn, to answer once a part is written: prepare_s, turn_s, part_s.
TABLE: dict[str, Any] = {
    "backend": "cpu",
    "fingerprint": FINGERPRINT,
    "model": {"batch_size": 1, "inputs": ["1x3:float32"], "parameters": 10},
    "missing": {},
    "libraries": {},
    "latency_ms": 10.0,
    "factors": {},
    "scatter": 0.002,
    "failures": {},
    "resolved": {},
    "digests": {},
    "memory": {},
    "prepare_s": 0.0,
    "turn_s": 0.0,
    "part_s": 0.0,
}


Pretend = Callable[..., list[str]]


def interpreter(folder: Path, name: str = "python", **changes: Any) -> list[str]:
    """An interpreter that answers from TABLE with some keys changed, as options of the commands.

    fingerprint: the items to change. name: another one beside the first; of the same name it is the
    same interpreter, upgraded in place.
    """
    assert set(changes) <= set(TABLE)
    table, python = folder / f"{name}.json", folder / name
    fingerprint = {**FINGERPRINT, **changes.get("fingerprint", {})}
    table.write_text(json.dumps({**TABLE, **changes, "fingerprint": fingerprint}))
    command = shlex.join([sys.executable, "-S", "-E", str(SCRIPT)])  # without packages: faster
    python.write_text(f'#!/bin/sh\nPRETEND_TABLE={shlex.quote(str(table))} exec {command} "$@"\n')
    python.chmod(0o755)
    return ["--python", str(python)]


@pytest.fixture
def pretend(tmp_path: Path) -> Pretend:
    """Makes pretended interpreters in the test's folder."""
    return partial(interpreter, tmp_path)
