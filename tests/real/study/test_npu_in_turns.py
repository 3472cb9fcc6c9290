"""A study in turns on torch_npu with an emulated CANN: several contexts on one device."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.cann_emulator import build
from tests.support.cann_emulator.calls import Calls, of_process, total
from tests.support.command import npu_tune
from tests.support.npu import CONVNET, env_script
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.runs.store import Store
from tuner.study import session
from tuner.study.runner import Caller
from tuner.worker.protocol import Outcome, Role


def waiting(folder: Path) -> list[dict[str, Any]]:
    """Who waited in the first heat, and how, as the controller saw it between two rounds."""
    members: list[dict[str, Any]] = json.loads((folder / "heat-1.json").read_text())
    return members


def calls_of(folder: Path, role: Role) -> Calls:
    """What the process of that role called."""
    (pid,) = [member["pid"] for member in waiting(folder) if member["role"] == role.value]
    return of_process(folder / "calls" / f"{pid}.stats")


def runs_of(folder: Path, role: Role) -> list[RecordedRun]:
    store = Store(f"sqlite:///{folder}/results/npu-tune.db")
    runs = [recorded for recorded in store.runs("real") if recorded.role == role]
    store.close()
    return runs


def test_companion_and_candidates_hold_the_device_together(npu_original: Path) -> None:
    roles = sorted(member["role"] for member in waiting(npu_original))
    assert roles == ["baseline", "baseline", "companion", "search"]
    for member in waiting(npu_original):
        calls = of_process(npu_original / "calls" / f"{member['pid']}.stats")
        assert total(calls, "sync:device") > 0


def test_what_waits_for_its_turn_is_blocked_in_a_read_and_never_stopped(npu_original: Path) -> None:
    """What holds a context is not to be stopped."""
    assert {member["status"] for member in waiting(npu_original)} == {"sleeping"}
    assert all(member["waits_in"].endswith("pipe_read") for member in waiting(npu_original))


@pytest.mark.parametrize("role", [Role.COMPANION, Role.SEARCH])
def test_the_device_was_asked_for_what_the_record_says_and_nothing_else(
    role: Role, npu_original: Path
) -> None:
    calls = calls_of(npu_original, role)
    parts = [r.measurement for r in runs_of(npu_original, role) if r.measurement is not None]
    wanted = len(parts[0].warmup_ns)
    for part in parts:
        wanted += len(part.unscored_ns) + len(part.latency_ns)
        wanted += len(part.block_ns) * part.calls_per_block
        wanted += 3  # for the copy of its output, its check, and the path of its convolutions
    assert total(calls, "aclnn-1:aclnnRelu") + total(calls, "aclop:Relu") == wanted
    assert total(calls, "aclnn-without-executor") == 0


@pytest.mark.usefixtures("npu_study")
def test_its_verdict_says_that_cann_is_emulated() -> None:
    lines = npu_tune("show", "real").stdout.splitlines()
    assert [line[:15] for line in lines if line.startswith("emulated CANN, ")] == [
        "emulated CANN, "
    ]


def test_where_a_device_takes_one_process_the_study_is_alone_and_says_why(
    torch_python: str, torch_npu_site: Path, cann: Path, tmp_path: Path
) -> None:
    emulated = build.environment(cann, one_process=tmp_path)
    script = env_script(tmp_path, {**emulated, "PYTHONPATH": str(torch_npu_site)})
    setup = Setup(
        CONVNET, trials=1, backend="npu", confirm="off", baseline_runs=1, python=torch_python,
        env_script=script,
    )  # fmt: skip
    store, lines = Store(f"sqlite:///{tmp_path}/s.db"), list[str]()
    summary = session.tune(setup, store, "s", Caller(note=lines.append), tmp_path / "results")
    (line,) = [line for line in lines if line.startswith("measured ")]
    assert line.startswith("measured alone, one run after the other: no second process gets")
    assert "507033" in line
    assert (summary.in_turns, summary.trials_done) == (False, 1)
    runs = store.runs("s")
    assert {(r.trial, r.outcome, r.run.spec.heat) for r in runs} == {(0, Outcome.OK, 0)}
