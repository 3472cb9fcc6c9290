"""Others on the device are among a run's witnesses."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import DATA
from tests.support.runs import recorded
from tuner.runs import npu_smi
from tuner.runs.device import CPU, Device
from tuner.runs.watch import Watch, other_processes, watching, witnessed

RUN = recorded(0, 10).run


def chip(physical_id: int) -> Device:
    return Device(f"NPU {physical_id}", physical_id, physical_id)


def witnesses(watch: Watch) -> dict[str, float]:
    """Of a run that this watched."""
    run = replace(RUN, result=replace(RUN.result, witnesses_before={"load_1min": 1.0}))
    return witnessed(run, watch()).result.witnesses_before


def answering(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command of this name, first in the path; it writes a line into `asked` at each call."""
    command = folder / "npu-smi"
    command.write_text(f"#!/bin/sh\necho once >> {folder}/asked\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_run_carries_how_many_others_its_npu_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, f"cat {DATA / 'npu_smi' / 'a2.txt'}", monkeypatch)
    both = [witnesses(watching(chip(n))) for n in (0, 1)]
    assert [w["device_processes"] for w in both] == [0.0, 1.0]
    assert both[0]["load_1min"] == 1.0


def test_npu_smi_that_does_not_answer_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, "exit 1", monkeypatch)
    watch = watching(chip(0))
    assert [witnesses(watch) for _ in range(3)] == [{"load_1min": 1.0}] * 3
    assert (tmp_path / "asked").read_text() == "once\n"


def test_processors_are_not_asked_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answering(tmp_path, "exit 0", monkeypatch)
    assert witnesses(watching(CPU)) == {"load_1min": 1.0}
    assert not (tmp_path / "asked").exists()


def test_a_chip_that_is_not_listed_is_not_asked_about_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answering(tmp_path, f"cat {DATA / 'npu_smi' / 'a2.txt'}", monkeypatch)
    watch = watching(chip(7))
    assert [witnesses(watch) for _ in range(2)] == [{"load_1min": 1.0}] * 2
    assert (tmp_path / "asked").read_text() == "once\n"


def test_processes_on_the_other_chip_of_an_npu_do_not_share_the_device() -> None:
    text = (DATA / "npu_smi" / "a3.txt").read_text()
    row = "| 0       1                 | 4711          | python  | 6271  |"
    listing = npu_smi.parse(f"{text}{row}\n")
    assert [other_processes(listing, chip(n)) for n in (0, 1)] == [[], [4711]]
