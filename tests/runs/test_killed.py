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
OPTIONS = ["--model", "m.py:make", "--trials", str(TRIALS), "--heat", "5"]
SEARCH = [*OPTIONS, "--confirm", "off", "--timeout", str(DEADLINE_S)]
BEHIND = ["--launch-prefix", str(DATA / "prefix.sh")]


@pytest.fixture
def slow(pretend: Pretend) -> list[str]:
    """An interpreter that leaves time to be killed in."""
    table = {"memory_format=channels_last": 0.5}
    return pretend(prepare_s=0.2, turn_s=0.02, part_s=0.1, factors=table)


@pytest.mark.parametrize("interruption", INTERRUPTIONS, ids=lambda i: i.name)
def test_nothing_is_left_lost_or_counted_twice(
    interruption: Interruption, tmp_path: Path, slow: list[str]
) -> None:
    study = Study(tmp_path, [*SEARCH, *slow])
    study.begin()
    aftermath = interrupt(study, interruption)
    assert aftermath.faults == []
    assert finish(study, TRIALS, aftermath.before) == []


@pytest.mark.parametrize("interruption", KILLED[:3], ids=lambda i: i.name)
def test_what_outlives_the_client_of_a_prefix_ends_too(
    interruption: Interruption, tmp_path: Path, slow: list[str]
) -> None:
    study = Study(tmp_path, [*SEARCH, *BEHIND, *slow])
    study.begin()
    assert interrupt(study, interruption).faults == []


@pytest.mark.parametrize("role", [Role.CONFIRM, Role.HOLD_OUT])
def test_a_heat_of_the_confirmation_is_recorded_as_a_whole_or_made_again(
    role: Role, tmp_path: Path, slow: list[str]
) -> None:
    moment = of_role(role, all_parts_written)
    study = Study(tmp_path, [*OPTIONS, "--confirm", "6", *slow])
    study.begin()
    aftermath = interrupt(study, Interruption(role.value, (moment,), kill, -9, None))
    assert aftermath.faults == []
    assert finish(study, TRIALS, aftermath.before) == []
