"""Latency that grows from call to call: said where it is the process, not the host, not noise."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.runs import BEGAN, recorded, study_record
from tuner.evidence.conclude import conclude
from tuner.evidence.growth import Growth, growth
from tuner.evidence.summary import summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.views.result import closing

CALLS = 64
Level = Callable[[int, int], float]  # of a run's number and its call's


def runs(
    level: Level, count: int = 5, scatter: float = 0.05, together: int = 1, seed: int = 1
) -> list[RecordedRun]:
    """Baselines one after the other, each of 10 s; or so many of them at a time."""
    rng, made = random.Random(seed), []
    for number in range(count):
        samples = [round(1e7 * level(number, i) * rng.gauss(1, scatter)) for i in range(CALLS)]
        run = recorded(0, 10.0).run
        assert run.result.measurement is not None
        measurement = replace(run.result.measurement, latency_ns=samples, dispatch_ns=samples)
        began = BEGAN + timedelta(seconds=11 * (number // together))
        result = replace(run.result, measurement=measurement)
        made.append(
            replace(
                recorded(0, 10.0), run=replace(run, result=result, started_at=began, wall_ns=10**10)
            )
        )
    return made


def leaks(_: int, call: int) -> float:
    return 1 + call / CALLS


def test_a_leak_is_seen_with_how_much_it_costs() -> None:
    found = growth(runs(leaks))
    assert found is not None
    assert (found.runs, found.of_runs) == (5, 5)
    assert 0.6 < found.by < 0.9


@pytest.mark.parametrize(
    ("level", "together"),
    [
        (lambda _run, _call: 1.0, 1),
        (lambda _run, call: 1 + 0.05 * call / CALLS, 1),  # as a processor that warms up
        (lambda _run, call: 2 - call / CALLS, 1),  # it becomes faster
        (lambda run, call: 1 + (run * CALLS + call) / (2 * CALLS), 1),  # the host slows down
        (leaks, 5),  # one heat: it may be the host
        (lambda run, call: leaks(run, call) if run < 3 else 1.0, 1),
        (lambda _run, call: 1 + (call > 60), 1),  # a burst at the end
    ],
)
def test_noise_and_the_host_are_no_growth(level: Level, together: int) -> None:
    assert growth(runs(level, together=together)) is None


def test_noise_does_not_pass_for_growth_in_a_thousand_studies() -> None:
    def noise(_run: int, _call: int) -> float:
        return 1.0

    found = [growth(runs(noise, 3, scatter=0.3, seed=number)) for number in range(1000)]
    assert found == [None] * 1000


def test_too_few_calls_or_runs_tell_nothing() -> None:
    assert growth(runs(leaks, count=2)) is None
    assert growth([recorded(0, 10.0)] * 5) is None


def test_it_is_a_line_of_the_result() -> None:
    result = conclude(summarize(study_record(Setup("m", confirm="off")), runs(leaks)))
    assert result.evidence.growth is not None
    shown = replace(result, evidence=replace(result.evidence, growth=Growth(0.75, 4, 5)))
    console = Console(file=io.StringIO(), width=300, highlight=False)
    console.print(closing(shown, Path("x.yaml")))
    assert isinstance(console.file, io.StringIO)
    assert (
        "warning: latency grows from call to call: the last calls of a run of the baseline take "
        "75% longer than its first, in 4 of 5 runs, and a fresh process begins low again: the "
        "model keeps state, or something leaks"
    ) in console.file.getvalue()
