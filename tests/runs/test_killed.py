"""A study is killed, interrupted or suspended while a heat is measured, with its real processes.

Each once here; many times, behind a prefix and with torch: benchmarks/kills.py.
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
)
from tests.support.killing import Study
from tests.support.pretend import Pretend

TRIALS = 3
SLOW = {"prepare_s": 0.2, "turn_s": 0.02, "part_s": 0.1}
OPTIONS = [
    "--model", "m.py:make", "--trials", str(TRIALS), "--heat", "5", "--confirm", "off",
    "--timeout", str(DEADLINE_S),
]  # fmt: skip


@pytest.mark.parametrize("interruption", INTERRUPTIONS, ids=lambda i: i.name)
def test_nothing_is_left_lost_or_counted_twice(
    interruption: Interruption, tmp_path: Path, pretend: Pretend
) -> None:
    study = Study(tmp_path, [*OPTIONS, *pretend(**SLOW)])
    study.begin()
    aftermath = interrupt(study, interruption)
    assert aftermath.faults == []
    assert finish(study, TRIALS, aftermath.before) == []


@pytest.mark.parametrize("interruption", KILLED, ids=lambda i: i.name)
def test_the_same_behind_a_prefix(
    interruption: Interruption, tmp_path: Path, pretend: Pretend
) -> None:
    prefix = ["--launch-prefix", str(DATA / "prefix.sh")]
    study = Study(tmp_path, [*OPTIONS, *prefix, *pretend(**SLOW)])
    study.begin()
    aftermath = interrupt(study, interruption)
    assert aftermath.faults == []
    assert finish(study, TRIALS, aftermath.before) == []
