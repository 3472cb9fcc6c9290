"""The companion as a ruler, on literal numbers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.support import in_heats
from tests.support.runs import SPACE, recorded, study_record
from tuner.evidence.finalists import finalists
from tuner.evidence.objectives import OBJECTIVES
from tuner.evidence.pairs import log_ratio, pair_of, same_heat
from tuner.evidence.ruler import ruler
from tuner.evidence.summary import summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.space.model import Value
from tuner.worker.protocol import Measurement, Outcome, Role

LATENCY, THROUGHPUT = OBJECTIVES["latency"], OBJECTIVES["throughput"]


def in_heat(
    heat: int, trial: int, *turns_ms: float, companion: int = 1, **knobs: Value
) -> RecordedRun:
    """A run of the search beside a companion."""
    return in_heats.in_heat(heat, turns_ms, None, companion, trial, 0, (), **knobs)


def part(heat: int, *turns_ms: float, companion: int = 1) -> RecordedRun:
    """What a companion measured in a heat."""
    return in_heats.in_heat(heat, turns_ms, Role.COMPANION, companion)


def levels(*runs: RecordedRun) -> dict[str, float]:
    """How many times as long as the first companion each run takes, rounded."""
    scale = ruler(runs, SPACE.baseline(), LATENCY)
    return {uid: round(math.exp(value), 4) for uid, value in scale.relative.items()}


def test_a_ratio_is_the_median_over_turns_so_that_a_burst_is_in_none() -> None:
    slow = in_heat(1, 1, 20, 40, 20, mode="fast")  # the host took a break in the second turn
    runs = [part(1, 10, 20, 10), slow, in_heat(1, 2, 5, 10, 50, mode="fast")]
    assert list(levels(*runs).values()) == [2.0, 0.5]


@pytest.mark.parametrize(
    ("waits_ms", "companion_waits_ms", "expected"),
    [
        ((0, 0, 0), (0, 0, 0), 0.5),
        ((9, 0, 0), (0, 0, 0), 0.4472),  # of 80 ms in that turn
        ((0, 0, 0), (17, 0, 0), 0.4472),
        ((7, 0, 3), (15, 9, 9), 0.5),  # no tenth
        ((9, 0, 5), (0, 0, 0), 0.5),  # one of three is not enough
        ((9, 9, 9), (0, 0, 0), 0.5),  # more threads than processors: that is how it is
    ],
)
def test_a_turn_in_which_one_waited_for_a_processor_is_left_out_for_both(
    waits_ms: tuple[int, ...], companion_waits_ms: tuple[int, ...], expected: float
) -> None:
    waits_ns, of_companion_ns = ([ms * 10**6 for ms in w] for w in (waits_ms, companion_waits_ms))
    run = in_heats.in_heat(1, (40, 25, 20), None, 1, 1, 0, waits_ns, mode="fast")
    companion = in_heats.in_heat(1, (80, 50, 50), Role.COMPANION, 1, 0, 0, of_companion_ns)
    assert list(levels(companion, run).values()) == [expected]


def test_the_baseline_is_worth_the_median_of_its_fresh_runs_never_its_companion() -> None:
    runs = [
        part(1, 10), in_heat(1, 0, 9), in_heat(1, 0, 8), in_heat(1, 1, 4, mode="fast"),
        part(2, 20), in_heat(2, 0, 14),
    ]  # fmt: skip
    scale = ruler(runs, SPACE.baseline(), LATENCY)
    assert scale.baseline == pytest.approx(math.log(0.8))
    assert math.exp(scale.unit) == pytest.approx(9.0)  # what its runs took themselves
    log_cost = scale.log_cost(runs[3].run.uid)
    assert log_cost is not None
    assert math.exp(log_cost) == pytest.approx(4.5)  # half of the baseline


def test_a_run_alone_and_a_study_without_companion_have_no_ratio() -> None:
    alone = recorded(0, 10)
    scale = ruler([alone, recorded(1, 5, mode="fast")], SPACE.baseline(), LATENCY)
    assert (scale.relative, scale.companions) == ({}, ())
    assert scale.log_cost(alone.run.uid) is None


def test_a_companion_that_overlapped_is_on_the_level_that_the_heat_of_both_says() -> None:
    runs = [
        part(1, 10), in_heat(1, 0, 10),
        part(2, 10), part(2, 5, companion=2), in_heat(2, 1, 8, companion=2, mode="fast"),
        part(3, 5, companion=2), in_heat(3, 2, 4, companion=2, mode="fast", spin="on"),
    ]  # fmt: skip
    assert list(levels(*runs).values()) == [1.0, 0.8, 0.4]
    _, second = ruler(runs, SPACE.baseline(), LATENCY).companions
    assert second.level == pytest.approx(math.log(0.5))
    assert second.error == 0.0


def test_after_a_death_the_baseline_makes_the_step_and_its_error_is_kept() -> None:
    before = [part(1, 10), *(in_heat(1, 0, ms) for ms in (9.0, 10.0, 11.0))]
    after = [
        part(2, 20, companion=2),
        *(in_heat(2, 0, ms, companion=2) for ms in (9.0, 10.0, 11.0)),
        in_heat(2, 1, 5, companion=2, mode="fast"),
    ]
    runs = [*before, *after]
    assert levels(*runs)[after[-1].run.uid] == 0.5
    _, second = ruler(runs, SPACE.baseline(), LATENCY).companions
    assert math.exp(second.level) == pytest.approx(2.0)
    assert 0.05 < second.error < 0.1  # root of 2/3 of what scatters by a tenth


def test_a_companion_without_a_run_of_the_baseline_is_on_no_known_level_yet() -> None:
    runs = [part(1, 10), in_heat(1, 0, 10), part(2, 7, companion=2)]
    _, second = ruler(runs, SPACE.baseline(), LATENCY).companions
    assert second.error == math.inf


@pytest.mark.parametrize(
    ("last", "moved"), [((10, 10), False), ((10.6, 10.6), True), ((10.6, 10), False)]
)
def test_it_has_moved_when_two_fresh_baselines_say_so(
    last: tuple[float, float], moved: bool
) -> None:
    runs = [run for heat in (1, 2, 3) for run in (part(heat, 10), in_heat(heat, 0, 10))]
    runs += [r for n, ms in enumerate(last, start=4) for r in (part(n, 10), in_heat(n, 0, ms))]
    (companion,) = ruler(runs, SPACE.baseline(), LATENCY).companions
    assert companion.has_moved is moved


def test_another_batch_size_is_set_against_its_own_baseline() -> None:
    runs = [
        recorded(0, 99),
        part(1, 10), in_heat(1, 0, 10), in_heat(1, 0, 10), in_heat(1, 0, 10),
        part(2, 20), in_heat(2, 1, 120, batch_size=8), in_heat(2, 2, 60, mode="fast", batch_size=8),
    ]  # fmt: skip
    record = study_record(Setup("m", trials=10, heat_size=5))
    summary = summarize(record, runs)
    fast = next(m for m in summary.measured if m.configuration["mode"] == "fast")
    assert summary.speedup(fast) == pytest.approx(2.0)
    assert fast.value == pytest.approx(30.0)  # on the host as the baseline met it
    assert summary.baseline is not None
    assert summary.baseline.value == pytest.approx(10.0)  # not what it took alone


def test_how_much_the_host_moved_is_the_companions_own_and_the_spread_that_of_ratios() -> None:
    runs = [
        run
        for heat, ms in enumerate((10.0, 20.0, 40.0), start=1)
        for run in (part(heat, ms), in_heat(heat, 0, ms))
    ]
    scale = ruler(runs, SPACE.baseline(), LATENCY)
    assert scale.spread == pytest.approx(0.0)
    assert scale.host == pytest.approx(math.log(2))
    summary = summarize(study_record(Setup("m", heat_size=5)), runs)
    assert summary.baseline_spread == scale.spread


def test_a_pair_of_one_heat_is_compared_turn_by_turn_and_others_as_they_are() -> None:
    runs = [in_heat(3, 0, 10, 30, 10), in_heat(3, 1, 5, 15, 20, mode="fast")]
    summary = summarize(study_record(), runs)
    assert same_heat(*runs)
    assert log_ratio(summary, runs[1], runs[0]) == pytest.approx(math.log(0.5))
    apart = in_heat(4, 1, 5, 15, 20, mode="fast")
    assert not same_heat(runs[0], apart)
    assert log_ratio(summary, apart, runs[0]) == pytest.approx(math.log(15 / 10))


def test_under_throughput_a_ratio_is_of_the_blocks_of_a_turn() -> None:
    def blocks(*ns: int, batch: int = 1) -> Measurement:
        return Measurement([], [], [], list(ns), 2, batch, block_turns=list(range(len(ns))))

    assert THROUGHPUT.by_turn(blocks(10**9, 2 * 10**9, batch=4)) == {0: 8.0, 1: 4.0}
    ratio = THROUGHPUT.log_ratio(blocks(10, 40, 30), blocks(20, 80, 10))
    assert math.exp(ratio) == pytest.approx(0.5)


def test_a_failed_companion_part_is_no_ruler() -> None:
    lost = part(1, 10)
    result = replace(lost.run.result, outcome=Outcome.CRASHED, measurement=None)
    runs = [replace(lost, run=replace(lost.run, result=result)), in_heat(1, 0, 10)]
    assert levels(*runs) == {}


def test_finalists_come_from_either_side_of_a_step_that_is_not_known_well() -> None:
    beside_first = [
        part(1, 10), *(in_heat(1, 0, ms) for ms in (9.0, 10.0, 11.0)),
        *(in_heat(1, n, 4 + n / 10, mode="fast", threads=n) for n in (1, 3, 4)),
        *(in_heat(1, n + 4, 5 + n / 10, threads=n) for n in (1, 3)),
    ]  # fmt: skip
    beside_second = [
        part(2, 20, companion=2),
        *(in_heat(2, 0, ms, companion=2) for ms in (9.0, 10.0, 11.0)),
        *(in_heat(2, n + 8, 6 + n / 10, companion=2, spin="on", threads=n) for n in (1, 3)),
    ]
    summary = summarize(study_record(Setup("m")), [*beside_first, *beside_second])
    chosen = [(c["mode"], c["spin"], c["threads"]) for c in finalists(summary)]
    assert chosen == [
        ("fast", "unset", 1), ("unset", "on", 1), ("fast", "unset", 3), ("unset", "on", 3),
        ("fast", "unset", 4),
    ]  # fmt: skip


def test_a_pair_of_which_one_was_made_again_alone_is_none() -> None:
    runs = [
        recorded(0, 10), recorded(1, 5, mode="fast"),
        in_heats.in_heat(1, [10, 10], Role.HOLD_OUT),
        in_heats.in_heat(2, [5, 5], Role.HOLD_OUT, trial=1, mode="fast"),
    ]  # fmt: skip
    runs = [replace(r, run=replace(r.run, spec=replace(r.run.spec, after_trials=2))) for r in runs]
    summary = summarize(study_record(Setup("m", heat_size=2)), runs)
    winner = summary.identity(runs[1].configuration)
    assert pair_of(summary, winner, 0) is None
