"""What is tried next, and what is not launched."""

from __future__ import annotations

from tests.support.runs import SPACE, recorded
from tuner.evidence.objectives import OBJECTIVES
from tuner.study.proposals import next_fixed, why_not_launched
from tuner.worker.protocol import Outcome

AT_8 = {**SPACE.baseline(8), "mode": "fast"}


def test_a_baseline_that_the_environment_failed_is_tried_again_at_its_batch_size() -> None:
    runs = [recorded(0, 10), recorded(1, outcome=Outcome.ENVIRONMENT_ERROR, batch_size=8)]
    assert next_fixed(SPACE, OBJECTIVES["throughput"], runs, 10, 0) == SPACE.baseline(8)
    assert why_not_launched(SPACE, AT_8, runs) == "the baseline did not run at batch size 8"
    again = [*runs, recorded(2, 20, batch_size=8)]
    assert why_not_launched(SPACE, AT_8, again) == ""


def test_a_baseline_that_failed_by_itself_is_not_tried_again_there() -> None:
    runs = [recorded(0, 10), recorded(1, outcome=Outcome.OUT_OF_MEMORY, batch_size=8)]
    assert next_fixed(SPACE, OBJECTIVES["throughput"], runs, 10, 0) != SPACE.baseline(8)
    assert why_not_launched(SPACE, AT_8, runs) == "the baseline did not run at batch size 8"
