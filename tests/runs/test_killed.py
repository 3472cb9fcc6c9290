"""A study is killed, interrupted or suspended while a heat is measured, with its real processes.

Each once here; many times, and with torch: benchmarks/kills.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import DATA
from tests.support.interruptions import (
    DEADLINE_S,
    INTERRUPTIONS,
    KILLED,
    Interruption,
    finish,
    interrupt,
    kill,
)
from tests.support.killing import Study, all_parts_written, of_role
from tests.support.pretend import Pretend
from tuner.worker.protocol import Role

TRIALS = 3
SEARCH = [
    "--model", "m.py:make", "--trials", str(TRIALS), "--heat", "5", "--confirm", "off",
    "--timeout", str(DEADLINE_S),
]  # fmt: skip
BEHIND = ["--launch-prefix", str(DATA / "prefix.sh")]
ENDING = tuple(i for i in INTERRUPTIONS if i.code is not None)
GOING_ON = tuple(i for i in INTERRUPTIONS if i.code is None)
CONFIRMING = tuple(
    Interruption(role.value, (of_role(role, all_parts_written),), kill, -9, None)
    for role in (Role.CONFIRM, Role.HOLD_OUT)
)


@pytest.fixture
def slow(pretend: Pretend) -> list[str]:
    """An interpreter that leaves time to be killed in."""
    table = {"memory_format=channels_last": 0.5}
    return pretend(prepare_s=0.2, turn_s=0.02, part_s=0.1, factors=table)


@pytest.mark.parametrize("interruption", ENDING, ids=lambda i: i.name)
def test_what_ends_the_controller_leaves_no_process_no_lock_and_no_half_of_a_heat(
    interruption: Interruption, tmp_path: Path, slow: list[str]
) -> None:
    study = Study(tmp_path, [*SEARCH, *slow])
    study.begin()
    assert interrupt(study, interruption).faults == []


@pytest.mark.parametrize("interruption", KILLED[1:2], ids=lambda i: i.name)
def test_so_it_is_behind_a_prefix_whose_client_is_outlived(
    interruption: Interruption, tmp_path: Path, slow: list[str]
) -> None:
    study = Study(tmp_path, [*SEARCH, *BEHIND, *slow])
    study.begin()
    assert interrupt(study, interruption).faults == []


@pytest.mark.parametrize("interruption", GOING_ON, ids=lambda i: i.name)
def test_what_does_not_end_it_loses_nothing(
    interruption: Interruption, tmp_path: Path, slow: list[str]
) -> None:
    study = Study(tmp_path, [*SEARCH, *slow])
    study.begin()
    aftermath = interrupt(study, interruption)
    assert aftermath.faults == []
    assert finish(study, TRIALS, aftermath.before) == []


def test_a_study_killed_again_and_again_ends_with_nothing_lost_or_counted_twice(
    tmp_path: Path, slow: list[str]
) -> None:
    study = Study(tmp_path, [*SEARCH, "--confirm", "6", *slow])
    study.begin()
    for interruption in (KILLED[-1], *CONFIRMING):
        aftermath = interrupt(study, interruption)
        study.resume()
    assert finish(study, TRIALS, aftermath.before) == []
