"""Pairs of the hold-out in heats: which are made again, and which count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.in_heats import in_heat
from tests.support.runs import SPACE, recorded, study_record
from tuner.evidence.pairs import next_step, pairs_of
from tuner.evidence.summary import Summary, summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.worker.protocol import Role

SEARCHED = [recorded(0, 10), recorded(1, 5, mode="fast")]
WINNER = {**SPACE.baseline(), "mode": "fast"}


def pair(number: int, disturbed: Sequence[bool]) -> list[RecordedRun]:
    """A heat of two, of the baseline and the winner. disturbed: each of them."""
    sides = [
        in_heat(number + 1, [10.0] * 2, Role.HOLD_OUT, 0, 0, number),
        in_heat(number + 1, [5.0] * 2, Role.HOLD_OUT, 0, 1, number, mode="fast"),
    ]
    return [
        replace(
            side,
            disturbed=("steal",) if was else (),
            run=replace(side.run, spec=replace(side.run.spec, after_trials=2)),
        )
        for side, was in zip(sides, disturbed, strict=True)
    ]


def of(*disturbed: Sequence[bool]) -> Summary:
    runs = [run for number, of_pair in enumerate(disturbed) for run in pair(number, of_pair)]
    asked = Setup("m", trials=10, confirm="6", heat_size=5)
    return summarize(study_record(asked), [*SEARCHED, *runs])


CALM, ONE, BOTH = (False, False), (True, False), (True, True)


@pytest.mark.parametrize(
    ("pairs", "counted", "following"),
    [
        ([CALM] * 6, [0, 1, 2, 3, 4, 5], None),
        ([ONE] * 6, [0, 1, 2, 3, 4, 5], None),  # it may be that side's own doing
        ([CALM, BOTH, *[CALM] * 4], [0, 2, 3, 4, 5], 6),
        ([CALM, BOTH, *[CALM] * 5], [0, 2, 3, 4, 5, 6], None),
        ([BOTH] * 8, [4, 5, 6, 7], 8),  # four are made again: then that is how this host is
        ([BOTH] * 10, [4, 5, 6, 7, 8, 9], None),
    ],
)
def test_a_pair_that_was_disturbed_on_both_sides_is_made_again_up_to_four_times(
    pairs: Sequence[Sequence[bool]], counted: list[int], following: int | None
) -> None:
    summary = of(*pairs)
    winner = summary.identity(WINNER)
    assert [mine.block for mine, _ in pairs_of(summary, winner)] == counted
    step = next_step(summary, winner)
    assert (step.block if step else None) == following
