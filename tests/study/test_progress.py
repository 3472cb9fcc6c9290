"""The live line."""

from __future__ import annotations

from dataclasses import replace

from tests.support.runs import SPACE, recorded
from tuner.evidence.objectives import OBJECTIVES
from tuner.study.progress import Progress
from tuner.text import duration
from tuner.worker.protocol import Outcome, Role


def test_the_line_shows_trial_baseline_best_time_left_and_failures() -> None:
    lines: list[str] = []
    now = [0.0]
    progress = Progress(OBJECTIVES["latency"], lines.append, clock=lambda: now[0])
    for number, run in enumerate(
        [
            recorded(0, 10),
            recorded(1, 4, mode="fast"),
            recorded(2, outcome=Outcome.TIMEOUT, spin="on"),
        ]
    ):
        progress.run_started(number, 9, run.run.spec.role, [run.configuration])
        progress.run_ended(run)
        now[0] += 1.0
    progress.run_started(3, 9, Role.SEARCH, [{**SPACE.baseline(), "threads": 1}])
    assert lines[0] == "trial 1 of 9 · defaults"
    assert lines[-1] == (
        "trial 4 of 9 · baseline 10 ms · best so far 2.50x (one run) · about 6 s left · "
        "1 timeout · threads=1"
    )


def test_a_batch_is_compared_with_its_own_baseline() -> None:
    progress = Progress(OBJECTIVES["latency"], lambda _: None)
    progress.run_ended(recorded(0, 10))
    progress.run_ended(recorded(1, 5, mode="fast", batch_size=8))
    assert progress.best is None


def test_without_a_batch_calls_are_counted() -> None:
    lines: list[str] = []
    progress, run = Progress(OBJECTIVES["throughput"], lines.append), recorded(0, 10).run
    whole = replace(run.spec, model=replace(run.spec.model, batch="none"))
    progress.run_ended(replace(recorded(0, 10), run=replace(run, spec=whole)))
    assert "calls/s" in lines[-1]


def test_durations_read_naturally() -> None:
    assert [duration(s) for s in (45, 100, 3900)] == ["45 s", "2 min", "1 h 5 min"]


def test_a_confirming_run_is_called_so_and_changes_no_best() -> None:
    lines: list[str] = []
    now = [0.0]
    progress = Progress(OBJECTIVES["latency"], lines.append, clock=lambda: now[0])
    progress.run_ended(recorded(0, 10))
    progress.run_started(3, 40, Role.HOLD_OUT, [SPACE.baseline()])
    now[0] += 1.0
    progress.run_started(4, 40, Role.HOLD_OUT, [SPACE.baseline()])
    progress.run_ended(recorded(1, 1, mode="fast"))
    assert lines[-1] == "confirming: run 5 of 40 · baseline 10 ms · about 36 s left · defaults"
    progress.run_started(0, 18, Role.ABLATION, [SPACE.baseline()])
    assert lines[-1].startswith("why it is faster: run 1 of 18 · baseline 10 ms")
