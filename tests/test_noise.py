"""Which runs count as disturbed, and the baseline's spread."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.noise import disturbances, noise
from tuner.worker.protocol import TrialResult

from .fakes import recorded

BEFORE = {
    "monotonic_s": 100.0, "host_busy_s": 50.0, "process_cpu_s": 5.0, "steal_s": 1.0,
    "throttle_count": 3.0,
}  # fmt: skip


def result(**grown: float) -> TrialResult:
    """A run of 10 s on 4 processors with these counters grown: 1.6 s are 4 %."""
    after = {name: value + grown.get(name, 0.0) for name, value in BEFORE.items()}
    after["monotonic_s"] += 10.0
    one = recorded(0, 10).run.result
    return replace(one, fingerprint={"cpus": 4}, witnesses_before=BEFORE, witnesses_after=after)


@pytest.mark.parametrize(
    ("grown", "expected"),
    [
        ({"host_busy_s": 11.5, "process_cpu_s": 10.0}, []),
        ({"host_busy_s": 11.7, "process_cpu_s": 10.0}, ["other processes"]),
        ({"steal_s": 1.5}, []),
        ({"steal_s": 1.7}, ["steal"]),
        ({"throttle_count": 1.0}, ["throttling"]),
    ],
)
def test_a_run_is_disturbed_beyond_four_percent_of_the_host(
    grown: dict[str, float], expected: list[str]
) -> None:
    assert disturbances(result(**grown)) == expected


def test_kinds_and_runs_are_counted_and_runs_without_witnesses_left_out() -> None:
    both = result(steal_s=5.0, throttle_count=1.0)
    results = [both, result(steal_s=5.0), result(), replace(both, witnesses_after={})]
    runs = [recorded(n, 10) for n in range(4)]
    runs = [
        replace(r, run=replace(r.run, result=one)) for r, one in zip(runs, results, strict=True)
    ]
    found = noise([9.0, 11.0], runs)
    assert (found.runs, found.disturbed_runs) == (3, 2)
    assert found.disturbed == {"steal": 2, "throttling": 1}
    assert (found.baseline_runs, found.baseline_spread) == (2, 0.1414)
