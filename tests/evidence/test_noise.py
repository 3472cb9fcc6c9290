"""Which runs count as disturbed, and the baseline's spread."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.runs import recorded
from tuner.evidence.noise import (
    Usual,
    disturbances,
    from_outside,
    noise,
    page_faults_per_call,
    relative_spread,
    usual,
)
from tuner.runs.records import RecordedRun
from tuner.worker import witnesses
from tuner.worker.protocol import TrialResult

BEFORE = {
    "monotonic_s": 100.0, "host_busy_s": 50.0, "process_cpu_s": 5.0, "steal_s": 1.0,
    "throttle_count": 3.0, "quota_throttled_s": 1.0,
}  # fmt: skip


def result(**grown: float) -> TrialResult:
    """A run of 10 s on 4 processors with these counters grown: 1.6 s are 4 %."""
    after = {name: value + grown.get(name, 0.0) for name, value in BEFORE.items()}
    after["monotonic_s"] += 10.0
    ok = recorded(0, 10).run.result
    return replace(ok, fingerprint={"cpus": 4}, witnesses_before=BEFORE, witnesses_after=after)


@pytest.mark.parametrize(
    ("grown", "expected"),
    [
        ({"host_busy_s": 11.5, "process_cpu_s": 10.0}, []),
        ({"host_busy_s": 11.7, "process_cpu_s": 10.0}, ["other processes"]),
        ({"steal_s": 1.5}, []),
        ({"steal_s": 1.7}, ["steal"]),
        ({"throttle_count": 1.0}, ["throttling"]),
        ({"quota_throttled_s": 0.09}, []),
        ({"quota_throttled_s": 0.11}, ["quota"]),
    ],
)
def test_a_run_of_an_old_study_is_disturbed_beyond_four_percent_of_the_host(
    grown: dict[str, float], expected: list[str]
) -> None:
    assert disturbances(result(**grown)) == expected


@pytest.mark.parametrize(("company_s", "expected"), [(9.5, []), (8.0, ["other processes"])])
def test_what_the_others_of_a_heat_use_is_no_disturbance(
    company_s: float, expected: list[str]
) -> None:
    run = result(host_busy_s=11.0, process_cpu_s=1.0)
    company = {**run.witnesses_after, "usable_busy_s": 11.0, "company_cpu_s": company_s}
    before = {**run.witnesses_before, "usable_busy_s": 0.0}
    beside = replace(run, witnesses_before=before, witnesses_after=company)
    assert disturbances(beside) == expected


def stat(busy: range, ticks: int) -> str:
    """/proc/stat of 192 processors, of which some were busy for so many ticks."""
    lines = [f"cpu{n} {ticks if n in busy else 0} 0 0 5 0 0 0 0 0 0" for n in range(192)]
    return "\n".join([f"cpu {len(busy) * ticks} 0 0 960 0 0 0 0 0 0", *lines, "intr 1", "ctxt 2"])


@pytest.mark.parametrize(
    ("busy", "ticks", "expected"),
    [
        (range(8), 950, ["other processes"]),  # 7.6 cores on the run's own processors
        (range(96, 104), 950, []),  # and on others of the host
        (range(8), 9, []),  # 0.072 cores
        (range(8), 11, ["other processes"]),  # 0.088 cores
    ],
)
def test_only_what_runs_on_the_runs_own_processors_disturbs_it(
    busy: range, ticks: int, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []
    for second, text in ((0.0, stat(busy, 0)), (10.0, stat(busy, ticks))):
        monkeypatch.setattr(witnesses, "text_of", {"/proc/stat": text}.get)
        monkeypatch.setattr(witnesses, "_throttle_count", lambda: None)
        monkeypatch.setattr(witnesses, "_frequency_khz", lambda: None)
        at = {"monotonic_s": second, "process_cpu_s": 3.0}
        read.append({**witnesses.counters(set(range(16))), **at})
    run = replace(result(), fingerprint={"cpus": 192})
    before, after = read
    assert disturbances(replace(run, witnesses_before=before, witnesses_after=after)) == expected


@pytest.mark.parametrize(
    ("grown", "expected"),
    [
        ({"usable_busy_s": 10.7, "process_cpu_s": 10.0}, []),
        ({"usable_busy_s": 10.9, "process_cpu_s": 10.0}, ["other processes"]),
        ({"usable_steal_s": 0.7}, []),
        ({"usable_steal_s": 0.9}, ["steal"]),
    ],
)
def test_a_run_is_disturbed_beyond_eight_hundredths_of_a_core(
    grown: dict[str, float], expected: list[str]
) -> None:
    after = {"usable_busy_s": 50.0, "usable_steal_s": 1.0, "process_cpu_s": 5.0}
    after = {name: value + grown.get(name, 0.0) for name, value in after.items()}
    assert disturbances(with_witnesses(after, usable_busy_s=50.0, usable_steal_s=1.0)) == expected


def test_the_processors_of_a_run_are_those_of_all_its_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    masks = {1: {0}, 2: {1, 2}}

    def mask(task: int) -> set[int]:
        if task not in masks:
            raise ProcessLookupError  # it has ended
        return masks[task]

    monkeypatch.setattr("os.listdir", lambda _: ["1", "2", "3"])
    monkeypatch.setattr("os.sched_getaffinity", mask)
    assert witnesses.usable_cpus() == {0, 1, 2}


def with_witnesses(after: dict[str, float], **before: float) -> TrialResult:
    run = result()
    return replace(
        run,
        witnesses_before={**run.witnesses_before, **before},
        witnesses_after={**run.witnesses_after, **after},
    )


def run_of(result: TrialResult) -> RecordedRun:
    of = recorded(0, 10)
    return replace(of, run=replace(of.run, result=result))


USUAL = Usual(loop_ns=1e6, khz=2.0e6, switches_per_s=10.0)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({"reference_loop_ns": 2e6}, {"reference_loop_ns": 1.3e6}, []),
        ({"reference_loop_ns": 1.4e6}, {"reference_loop_ns": 1.4e6}, ["slow processor"]),
        ({}, {"cpu_khz": 1.5e6}, []),
        ({}, {"cpu_khz": 1.4e6}, ["low frequency"]),
        ({"involuntary_switches": 5.0}, {"involuntary_switches": 205.0}, []),
        ({"involuntary_switches": 5.0}, {"involuntary_switches": 206.0}, ["involuntary switches"]),
        ({"device_processes": 0.0}, {}, []),
        ({"device_processes": 1.0}, {}, ["device shared"]),
    ],
)
def test_a_run_is_compared_with_what_is_usual_in_its_study(
    before: dict[str, float], after: dict[str, float], expected: list[str]
) -> None:
    run = with_witnesses(after, **before)
    assert disturbances(run, USUAL) == expected
    if "device_processes" not in before:
        assert disturbances(run, Usual()) == []  # an old study: nothing to compare with


def test_what_is_usual_is_learned_from_all_runs() -> None:
    loops = [
        with_witnesses({"reference_loop_ns": after, "cpu_khz": khz}, reference_loop_ns=9e5)
        for after, khz in ((8e5, 2.1e6), (1e6, 1.9e6), (5e5, 2.0e6))
    ]
    switched = [
        with_witnesses({"involuntary_switches": 10.0 * n}, involuntary_switches=0.0)
        for n in range(1, 21)
    ]
    assert usual([run_of(r) for r in [*loops, *switched]]) == Usual(8e5, 2.0e6, 19.0)
    assert usual([run_of(r) for r in switched[:9]]) == Usual(None, None, None)


def test_idle_processors_do_not_lower_the_frequency(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"cpu0/": "800000", "cpu1/": "2600000", "cpu2/": ""}

    def read(path: str) -> str:
        return next(text for name, text in texts.items() if name in path)

    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1, 2})
    monkeypatch.setattr(witnesses, "text_of", read)
    assert witnesses._frequency_khz() == 2.6e6


def test_a_quota_that_throttles_is_no_reason_to_measure_again() -> None:
    assert from_outside(result(quota_throttled_s=5.0), USUAL) == []


def test_a_run_without_witnesses_is_not_called_disturbed() -> None:
    assert disturbances(recorded(0, 10).run.result, USUAL) == []


def test_page_faults_are_counted_for_each_timed_call() -> None:
    # 3 samples and one block of 4 calls.
    run = with_witnesses({"minor_page_faults": 800.0}, minor_page_faults=100.0)
    assert page_faults_per_call(run) == 100.0
    assert page_faults_per_call(result()) is None


def test_kinds_and_runs_are_counted_and_runs_without_witnesses_left_out() -> None:
    both = result(steal_s=5.0, throttle_count=1.0)
    results = [both, result(steal_s=5.0), result(), replace(both, witnesses_after={})]
    runs = [recorded(n, 10) for n in range(4)]
    runs = [
        replace(r, run=replace(r.run, result=each)) for r, each in zip(runs, results, strict=True)
    ]
    summary = noise([9.0, 11.0], runs)
    assert (summary.runs, summary.disturbed_runs) == (3, 2)
    assert summary.disturbed == {"steal": 2, "throttling": 1}
    assert (summary.baseline_runs, summary.baseline_spread) == (2, 0.1414)


def test_spread_is_relative_and_needs_two() -> None:
    assert relative_spread([1.0]) is None
    assert relative_spread([9.0, 11.0]) == 2**0.5 / 10
