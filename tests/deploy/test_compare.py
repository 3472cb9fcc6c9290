"""Two studies side by side: literal numbers in, verdicts out."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from tests.support.ablations import ablated, ms
from tests.support.runs import SPACE, confirmed, recorded, study_record
from tuner.deploy.compare import compare
from tuner.evidence.ablation import minimal
from tuner.evidence.environment import differences
from tuner.evidence.stats import shift_interval
from tuner.evidence.summary import Summary, summarize
from tuner.language import Message
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.space import model, narrowing
from tuner.views.compare import changes, comparison, studies
from tuner.worker.protocol import Outcome, ReadBack


def study(
    runs: list[RecordedRun], asked: Setup | None = None, name: str = "s", **fingerprint: Any
) -> Summary:
    record = study_record(asked)
    facts = replace(record.facts, fingerprint={**record.facts.fingerprint, **fingerprint})
    return summarize(replace(record, name=name, facts=facts), runs)


def baselines(*values_ms: float) -> list[RecordedRun]:
    return [recorded(n, ms) for n, ms in enumerate(values_ms)]


def test_the_interval_of_unpaired_runs_is_mann_whitneys() -> None:
    before, after = [10.0, 11.0, 12.0, 13.0], [1.0, 2.0, 3.0, 4.0]
    found = shift_interval(before, after, 0.05)
    assert found is not None
    low, high, coverage = found
    assert (low, high) == (6.0, 12.0)  # the extremes of all 16 differences
    assert coverage == pytest.approx(1 - 2 / math.comb(8, 4))
    assert shift_interval(before[:3], after[:3], 0.05) is None


def test_its_coverage_is_that_of_counting_every_order() -> None:
    values = range(9)
    inside = []
    for chosen in combinations(values, 4):
        rest = [value for value in values if value not in chosen]
        found = shift_interval(list(map(float, chosen)), list(map(float, rest)), 0.1)
        assert found is not None
        inside.append(found[0] <= 0 <= found[1])
    assert found is not None
    assert sum(inside) / len(inside) == pytest.approx(found[2])


def test_baselines_of_many_runs_get_a_verdict_and_say_by_how_much() -> None:
    found = compare(
        study(baselines(10.0, 10.1, 10.2, 10.3, 9.9)), study(baselines(5.0, 5.05, 5.1, 5.15, 4.95))
    )
    assert found.baseline is not None
    assert found.baseline.comparison.verdict == "faster"
    assert found.baseline.comparison.speedup == 2.0
    assert found.baseline.values == (10.1, 5.05)
    assert found.baseline.comparison.interval is not None
    assert found.baseline.comparison.interval.low == pytest.approx(9.9 / 5.15, abs=0.1)
    assert not found.baseline.comparison.paired
    assert found.baseline.comparison.interval.smallest_effect is None  # said of pairs only
    back = compare(study(baselines(5.0, 5.05, 5.1, 5.15)), study(baselines(10.0, 10.1, 10.2, 10.3)))
    assert back.baseline is not None
    assert back.baseline.comparison.verdict == "slower"


def test_a_study_in_turns_and_one_alone_are_shown_without_a_verdict() -> None:
    first = study(baselines(10.0, 10.1, 10.2, 10.3), Setup("m", trials=10, heat_size=1), "old")
    second = study(baselines(5.0, 5.1, 5.2, 5.3), Setup("m", trials=10, heat_size=5), "new")
    result = compare(first, second)
    assert [side.in_turns for side in (result.first, result.second)] == [False, True]
    assert result.baseline is not None
    assert (result.baseline.values, result.baseline.comparison.speedup) == ((10.15, 5.15), 1.9709)
    for change in (result.baseline, result.winner, *(c.change for c in result.configurations)):
        assert change is not None
        assert (change.comparison.verdict, change.comparison.interval) == ("not comparable", None)
    assert [str(warning) for warning in result.warnings] == [
        "one study was measured in turns, the other alone, which may differ by itself: no verdict; "
        "both now, measured alike: npu-tune compare old new --remeasure"
    ]
    assert result.to_dict()["baseline"]["comparison"]["verdict"] == "not comparable"
    assert changes(result, None).rows[0][3:] == ("1.97x", "no verdict", "4, 4")
    assert [row[2] for row in studies(result).rows] == ["alone", "in turns"]


@pytest.mark.parametrize("size", [1, 5])
def test_studies_that_were_measured_alike_get_a_verdict(size: int) -> None:
    asked = Setup("m", trials=10, heat_size=size)
    before, after = baselines(10.0, 10.1, 10.2, 10.3), baselines(5.0, 5.1, 5.2, 5.3)
    result = compare(study(before, asked), study(after, asked))
    assert result.baseline is not None
    assert (result.baseline.comparison.verdict, result.warnings) == ("faster", ())


def test_single_runs_are_compared_without_a_claim() -> None:
    found = compare(study(baselines(10)), study(baselines(5)))
    assert found.baseline is not None
    assert (found.baseline.comparison.speedup, found.baseline.comparison.interval) == (2.0, None)
    assert found.baseline.comparison.verdict == "unclear"


def answer(step: Any) -> float:
    return 4.0 if step.configuration["mode"] == "fast" else 10.0


def test_winners_are_compared_by_the_runs_of_their_confirmation() -> None:
    runs = [recorded(0, 10), recorded(1, 4, mode="fast"), recorded(2, 9, spin="on")]
    _, first = confirmed(runs, answer)
    _, second = confirmed(runs, lambda step: answer(step) / 2)
    found = compare(first, second)
    assert found.winner is not None
    assert found.first.configuration == {"mode": "fast"}
    assert found.winner.comparison.speedup == 2.0
    assert found.winner.comparison.runs == (6, 6)  # the hold-out alone
    assert found.winner.comparison.verdict == "faster"


def test_every_configuration_of_both_is_there_the_best_first() -> None:
    first = study([recorded(0, 10), recorded(1, 4, mode="fast"), recorded(2, 8, threads=1)])
    second = study([recorded(0, 10), recorded(1, 12, threads=1), recorded(2, 4, mode="fast")])
    found = compare(first, second)
    assert [(one.configuration, one.change.comparison.speedup) for one in found.configurations] == [
        ({"mode": "fast"}, 1.0), ({}, 1.0), ({"threads": 1}, 0.6667),
    ]  # fmt: skip


def effects_of(mode: float, spin: float, outcome: Outcome = Outcome.OK) -> list[RecordedRun]:
    """Every combination of three knobs, the effects of two as factors, hardly any scatter."""
    runs = []
    for number, (m, s, t) in enumerate(
        [(m, s, t) for m in ("unset", "fast") for s in ("unset", "on") for t in ("unset", 1, 3, 4)]
    ):
        ms = 10.0 / (mode if m == "fast" else 1) / (spin if s == "on" else 1)
        ms *= 1 + 0.001 * (number % 3)
        failed = outcome if s == "on" else Outcome.OK
        runs.append(recorded(number, ms, failed, mode=m, spin=s, threads=t))
    return runs


def test_a_knob_that_changed_sign_became_inert_or_is_gone_is_named() -> None:
    first, second = study(effects_of(2.0, 1.3)), study(effects_of(0.5, 1.0))
    changed = {one.name: one for one in compare(first, second).knobs if one.changed}
    assert (changed["mode"].before, changed["mode"].after) == ("helps", "harms")
    assert (changed["spin"].before, changed["spin"].after) == ("helps", "inert")
    assert "threads" not in changed
    failing = study(effects_of(2.0, 1.3, Outcome.UNSUPPORTED))
    found = {one.name: one for one in compare(first, failing).knobs}["spin"]
    assert (found.after, str(found.why), found.changed) == ("unsupported", "why", True)


def test_a_value_that_was_left_out_says_why() -> None:
    gone = narrowing.narrow(SPACE, "spin", ["on"], Message("there is no spin here"))
    first = study(effects_of(2.0, 1.3))
    runs = [r for r in effects_of(2.0, 1.3) if r.configuration["spin"] == "unset"]
    second = summarize(replace(study_record(), space=model.to_dict(gone)), runs)
    found = {one.name: one for one in compare(first, second).knobs}["spin"]
    assert found.after == "unsupported"
    assert found.why == Message("there is no spin here")


def test_another_chip_of_the_host_is_no_other_environment() -> None:
    before, after = (
        {"chip": {"physical_id": n}, "variables": {"ASCEND_RT_VISIBLE_DEVICES": str(n)}}
        for n in (3, 4)
    )
    assert list(differences(before, after)) == []


def test_the_environment_is_told_item_by_item() -> None:
    before = {"torch": "2.7.1", "variables": {"A": "1"}, "executable": "/x", "cann": "8.0"}
    after = {"torch": "2.13.0", "variables": {"B": "2"}, "executable": "/y", "cann": "8.0"}
    found = [(one.name, one.before, one.after) for one in differences(before, after)]
    assert found == [("torch", "2.7.1", "2.13.0"), ("A", "1", ""), ("B", "", "2")]


def test_what_makes_it_unfair_is_warned_of() -> None:
    first = study(baselines(10), machine="a", host="x")
    second = study(
        baselines(10), Setup("other", trials=10, timed_region="end-to-end"), machine="b", host="y"
    )
    assert [*map(str, compare(first, second).warnings)] == [
        "unfair: model differs: m and other",
        "unfair: timed_region differs: inference and end-to-end",
        "unfair: machine differs: a and b",
    ]
    assert compare(first, first).warnings == ()


def test_one_batch_size_is_never_held_against_another() -> None:
    first = study(baselines(10.0, 10.1, 10.2, 10.3))
    eight = replace(SPACE, knobs=(*SPACE.knobs[:-1], replace(SPACE.knobs[-1], default=8)))
    record = replace(study_record(), space=model.to_dict(eight))
    second = summarize(record, [recorded(n, 40.0 + n, batch_size=8) for n in range(4)])
    found = compare(first, second)
    assert (found.baseline, found.winner) == (None, None)
    assert tuple(map(str, found.warnings)) == (
        "batch sizes differ: 1 and 8; what is measured at either is not compared",
    )


def test_spaces_may_differ_in_their_knobs() -> None:
    fewer = replace(SPACE, knobs=tuple(knob for knob in SPACE.knobs if knob.name != "spin"))
    runs = [recorded(0, 10), recorded(1, 4, mode="fast")]
    record = replace(study_record(), space=model.to_dict(fewer))
    found = compare(study(runs), summarize(record, runs))
    assert [one.configuration for one in found.configurations] == [{"mode": "fast"}, {}]
    (spin,) = [one for one in found.knobs if one.name == "spin"]
    assert (spin.after, spin.changed) == ("not measured", False)  # it may well be there


def test_what_the_default_turned_into_is_said() -> None:
    base = recorded(0, 10)
    back = {"threads": ReadBack(1, True, "")}
    now = replace(base, run=replace(base.run, result=replace(base.run.result, read_back=back)))
    second = study([now, *effects_of(2.0, 1.3)[1:]])
    found = {(k.name, k.value): k for k in compare(study(effects_of(2.0, 1.3)), second).knobs}
    assert found["threads", 1].after == "default"
    assert found["threads", 1].changed  # it was 2 before, whatever 1 did there
    unread = study(
        [replace(now, run=replace(now.run, result=replace(now.run.result, read_back={})))]
    )
    found = {(k.name, k.value): k for k in compare(unread, second).knobs}
    assert not found["threads", 1].changed


def test_fresh_pairs_about_one_value_say_what_it_does() -> None:
    searched = [recorded(0, 10), recorded(1, 4, mode="fast")]  # too few for a fit
    first = confirmed(searched, lambda s: 4.0 if s.configuration["mode"] == "fast" else 10.0)[1]
    found = {one.name: one for one in compare(first, study(baselines(10))).knobs}["mode"]
    assert (found.before, found.after) == ("helps", "not measured")
    assert found.effects[0] is not None
    assert found.effects[0].speedup == pytest.approx(2.5)


def test_what_was_asked_otherwise_is_warned_of() -> None:
    first = study(baselines(10), Setup("m", trials=10, pins={"threads": "1"}))
    second = study(baselines(10), Setup("m", trials=10, space="mine.yaml", allow_lossy=True))
    assert tuple(map(str, compare(first, second).warnings)) == (
        "unfair: space differs:  and mine.yaml",
        "unfair: pins differs: threads=1 and ",
        "unfair: allow_lossy differs: False and True",
    )


def test_a_smaller_configuration_is_shown_with_its_own_figures() -> None:
    summary = ablated(ms)[1]
    side = compare(summary, summary).first
    found = minimal(summary)
    assert found is not None
    assert side.configuration == found.configuration == {"mode": "fast"}
    assert (side.speedup, side.interval) == (
        found.over_baseline.speedup, found.over_baseline.interval,
    )  # fmt: skip


def test_bests_at_one_other_batch_size_are_no_reason_to_warn() -> None:
    throughput = Setup("m", trials=10, objective="throughput")
    runs = [recorded(0, 10), recorded(1, 20, batch_size=8)]
    eight = replace(SPACE, knobs=(*SPACE.knobs[:-1], replace(SPACE.knobs[-1], default=8)))
    record = replace(study_record(throughput), space=model.to_dict(eight))
    found = compare(study(runs, throughput), summarize(record, runs))
    assert tuple(map(str, found.warnings)) == (
        "batch sizes differ: 1 and 8; what is measured at either is not compared",
    )
    assert found.winner is not None
    assert changes(found, None).rows[0][0] == "each at its best, batch_size=8"


def test_studies_of_different_objectives_are_warned_of_and_not_measured_up() -> None:
    other = study(baselines(10), Setup("m", trials=10, objective="throughput"))
    found = compare(study(baselines(10)), other)
    assert found.baseline is None
    assert [*map(str, found.warnings)] == ["unfair: objective differs: latency and throughput"]


def test_the_table_says_that_nothing_is_paired_and_what_is_emulated() -> None:
    from rich.console import Console

    first = study(baselines(10, 10.1, 10.2, 10.3), emulated_cann=True)
    console = Console(width=200, record=True)
    with console.capture() as shown:
        console.print(comparison(compare(first, first), None))
    assert "emulated CANN: no figure below is a device's" in shown.get()
    assert "not paired: the studies began 2026-11-24 12:00 UTC" in shown.get()
