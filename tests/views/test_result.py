"""The result as the terminal, the library, JSON and YAML have it."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.runs import SPACE, NextRun, confirmed, recorded, study_record
from tuner import language
from tuner.deploy import best as best_file
from tuner.evidence.conclude import conclude
from tuner.evidence.floor import floor
from tuner.evidence.noise import Noise
from tuner.evidence.result import FixedCost, Result
from tuner.evidence.summary import summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun
from tuner.views.cells import table, times
from tuner.views.report import report
from tuner.views.result import closing, disturbed, headline, rested
from tuner.views.studies import configurations, marked
from tuner.worker.protocol import Outcome

SEARCHED = [
    recorded(0, 10),
    recorded(1, 4, mode="fast", spin="on", threads=2),
    recorded(2, 24, batch_size=8),
    recorded(3, 12, mode="fast", batch_size=8),
    recorded(4, outcome=Outcome.CRASHED, threads=1),
]


def result_of(fast_ms: float = 5.0, searched: list[RecordedRun] = SEARCHED) -> Result:
    def answer(step: NextRun) -> float:
        return fast_ms if SPACE.changed(step.configuration) else 10.0

    return conclude(confirmed(searched, answer)[1])


def text_of(result: Result, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(closing(result, Path("results/s.yaml")))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_who_judged_the_outputs_stands_beside_the_verdict() -> None:
    result = result_of()
    for others, text in (("", "by m.py:same"), ("passed", "by m.py:same, on other inputs too")):
        evidence = replace(result.evidence, output_by="m.py:same", output_others=others)
        lines = text_of(replace(result, evidence=evidence)).splitlines()
        assert f"output: the same {text}" in lines


def test_a_knob_that_the_models_own_code_sets_back_must_be_set_again_where_it_is_deployed() -> None:
    def searched(knob: str) -> list[RecordedRun]:
        fast = recorded(1, 4, mode="fast", spin="on")
        result = replace(fast.run.result, set_again=[knob])
        return [recorded(0, 10), replace(fast, run=replace(fast.run, result=result))]

    said = [
        conclude(summarize(study_record(Setup("m", confirm="off")), searched(knob)))
        for knob in ("mode", "threads")
    ]
    assert [result.evidence.set_again for result in said] == [("mode",), ()]
    assert (
        "the model's own code sets mode back: here set again once the model was built; the "
        "deployed program must do the same, after it has built the model"
    ) in text_of(said[0], 200)
    assert "sets" not in text_of(said[1], 200)


def test_a_win_is_to_be_applied_with_its_variables() -> None:
    result = result_of()
    # threads=2 is what unset is; the first call was slow, so one call of warm-up is needed.
    assert (result.verdict, result.recommendation) == ("faster", "apply")
    assert result.configuration == {"mode": "fast", "spin": "on", "warmup": 1}
    assert result.environment_variables == {"SPIN": "1"}
    assert (result.evidence.speedup, result.evidence.pairs) == (2.0, 6)
    assert (result.evidence.baseline.latency_ms, result.evidence.best.latency_ms) == (10.0, 5.0)
    assert (result.evidence.best.runs, result.evidence.best.dispatch_share) == (6, 0.5)


@pytest.mark.parametrize("fast_ms", [10.0, 12.0])
def test_no_win_is_keep_the_defaults_with_nothing_to_apply(fast_ms: float) -> None:
    result = result_of(fast_ms)
    assert result.recommendation == "keep the defaults"
    assert (result.configuration, result.environment_variables) == ({}, {})
    assert result.evidence.tried == {"mode": "fast", "spin": "on"}


def test_an_unconfirmed_win_is_to_be_confirmed_first() -> None:
    result = conclude(summarize(study_record(), SEARCHED))
    assert (result.verdict, result.recommendation) == ("not confirmed", "confirm first")
    assert result.configuration == {"mode": "fast", "spin": "on", "warmup": 1}
    assert result.evidence.interval is None


def test_without_confirmation_a_search_that_found_nothing_keeps_the_defaults() -> None:
    result = conclude(summarize(study_record(), [recorded(0, 10), recorded(1, 14, mode="fast")]))
    assert (result.recommendation, result.evidence.speedup) == ("keep the defaults", 1.0)


def test_finalists_have_a_speed_up_for_each_block_and_one_alone_for_each_pair() -> None:
    (result,) = result_of().finalists
    assert (result.configuration, result.speedups) == ({"mode": "fast", "spin": "on"}, (2.0,) * 6)
    both = result_of(searched=[*SEARCHED, recorded(5, 8, spin="on")]).finalists
    assert [finalist.speedups for finalist in both] == [(2.0,) * 4] * 2


@pytest.mark.parametrize(("width", "headers"), [(80, 6), (160, 10)])
def test_a_narrow_terminal_shows_the_main_figures_only(width: int, headers: int) -> None:
    console = Console(file=io.StringIO(), width=width, highlight=False)
    console.print(table(configurations(summarize(study_record(), SEARCHED), width)))
    first, *rows = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert len(re.split(r" {2,}", first.strip())) == headers
    assert len(rows) == len(SEARCHED)


def test_the_fixed_cost_is_of_the_curve_that_is_shown() -> None:
    # Baseline 10 ms at 1 and 24 ms at 8; the best 5 ms, confirmed, at 1 and 12 ms at 8.
    assert result_of().fixed_cost_baseline == FixedCost(8.0, 2.0)
    assert result_of().fixed_cost_best == FixedCost(4.0, 1.0)


@pytest.mark.parametrize(
    ("at_8_ms", "cost", "line"),
    [
        (9.0, FixedCost(9.5, 0.0), "9.5 ms a call, none a sample that the curve shows"),
        (10.0, FixedCost(10.0, 0.0), "10 ms a call, none a sample that the curve shows"),
        (88.0, FixedCost(0.0, 78 / 7), "none that the curve shows, then 11.1 ms a sample"),
    ],
)
def test_no_sample_and_no_call_costs_less_than_nothing(
    at_8_ms: float, cost: FixedCost, line: str
) -> None:
    runs = [recorded(0, 10), recorded(1, 4, mode="fast"), recorded(2, at_8_ms, batch_size=8)]
    result = conclude(summarize(study_record(), runs))
    assert result.fixed_cost_baseline == cost
    assert f"fixed cost, baseline: {line}" in text_of(result)


@pytest.mark.parametrize(("no_batch", "unit"), [("", "samples/s"), ("why", "calls/s")])
def test_where_a_model_has_no_batch_calls_are_counted(no_batch: str, unit: str) -> None:
    record = study_record(Setup("m", trials=2, objective="throughput"))
    facts = replace(record.facts, probe=replace(record.facts.probe, no_batch=no_batch))
    summary = summarize(
        replace(record, facts=facts), [recorded(0, 10), recorded(1, 5, mode="fast")]
    )
    assert summary.objective.unit == unit
    assert f"{unit} of each trial" in report([summary])


def test_the_curve_shows_what_was_confirmed_and_marks_the_rest() -> None:
    points = [(p.batch_size, p.baseline_ms, p.best_ms, p.speedup) for p in result_of().curve]
    assert points == [(1, 10.0, 5.0, 2.0), (8, 24.0, 12.0, 2.0)]
    assert [p.confirmed for p in result_of().curve] == [True, False]


@pytest.mark.parametrize(
    ("tried", "line"),
    [
        (
            {"mode": "fast"},
            "after a rest of 20 ms a call takes 21.3 ms instead of 10 (baseline), 8.5 ms instead "
            "of 5 (best)",
        ),
        ({}, "after a rest of 20 ms a call takes 21.3 ms instead of 10"),
    ],
)
def test_a_call_after_a_rest_is_one_line(tried: dict[str, str], line: str) -> None:
    evidence = result_of().evidence
    baseline = replace(evidence.baseline, rested_ms=21.3)
    best = replace(evidence.best, rested_ms=8.5)
    evidence = replace(evidence, pause_ms=20.0, baseline=baseline, best=best, tried=tried)  # type: ignore[arg-type]
    assert list(rested(evidence)) == [line]
    assert list(rested(result_of().evidence)) == []


def test_it_is_json() -> None:
    data = json.loads(json.dumps(result_of().to_dict()))
    assert data["evidence"]["interval"]["coverage"] == 0.9688


@pytest.mark.parametrize(
    ("fast_ms", "expected"),
    [
        (5.0, "faster: 2.00x at batch size 1 (2.00x to 2.00x with 96.9% confidence, 6 pairs"),
        (10.0, "keep the defaults at batch size 1: the same within 1%, 1.000x"),
        (12.5, "keep the defaults at batch size 1: the best of the search is slower, 0.80x"),
    ],
)
def test_the_headline_is_one_sentence(fast_ms: float, expected: str) -> None:
    assert headline(result_of(fast_ms)).startswith(expected)


def test_the_headline_without_fresh_runs_says_so() -> None:
    result = conclude(summarize(study_record(), SEARCHED))
    assert headline(result) == (
        "not confirmed: 2.50x faster at batch size 1 in the search's own runs; "
        "no fresh runs were made"
    )


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("spoken", language.LANGUAGES)
def test_every_part_is_shown_in_every_width_and_language(
    width: int, spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(language, "_chosen", spoken)
    text = text_of(result_of(), width)
    assert max(map(len, text.splitlines())) <= width
    for part in ("2.00x", "mode=fast", "why mode", "results/s.yaml", "SPIN=1", "npu-tune show s"):
        assert part in text, part


def test_figures_of_the_emulated_cann_are_labelled(tmp_path: Path) -> None:
    result = result_of()
    assert "emulated" not in text_of(result)
    result = replace(result, environment={**result.environment, "emulated_cann": True})
    first, second = text_of(result, 200).splitlines()[:2]
    assert first.startswith("emulated CANN, faster: ")
    assert second == "emulated CANN: no figure below is a device's"
    best_file.write(best_file.best_configuration(result, {}), tmp_path / "best.yaml")
    assert (tmp_path / "best.yaml").read_text().splitlines()[1] == f"# {second}"


def test_the_path_of_convolutions_is_one_line_where_it_was_seen() -> None:
    result = result_of()
    assert "convolutions" not in text_of(result)
    evidence = replace(result.evidence, convolutions=("aclop", "aclnn"))
    text = text_of(replace(result, evidence=evidence))
    assert "convolutions: baseline aclop, best aclnn\n" in text


def test_each_line_of_noise_says_what_to_do() -> None:
    text = text_of(result_of(), 200)
    assert "these 6 pairs show 4 times of 5: 1.010x; for less, in about 12 s: " in text
    assert "npu-tune --resume --study s --confirm 12" in text
    assert "disturbed from outside" not in text  # no run had witnesses
    assert "failed runs: 1 crashed; why: npu-tune show s" in text


def with_floor(host: float | None, ratios: float) -> Result:
    """Of a study in turns."""
    result = result_of()
    noise = replace(
        result.evidence.noise, heat_size=5, heats=12, turns=310, floor=floor(host, ratios, 8)
    )
    return replace(result, evidence=replace(result.evidence, noise=noise))


def test_what_the_host_moved_by_and_what_is_left_of_it_stand_beside_the_claim() -> None:
    text = text_of(with_floor(0.14, 0.021), 200)
    assert "measured in turns: 12 heats of up to 5, 310 turns\n" in text
    assert "the host moved by 14.0%, ratios by 2.1%\n" in text
    gains = "8 pairs 5.1%, 16 pairs 3.8%, 24 pairs 2.8%"
    assert f"smallest gain that is shown here 4 times of 5: {gains}\n" in text
    assert "runs of the baseline spread by" not in text


def test_a_host_that_nobody_watched_has_its_ratios_only() -> None:
    text = text_of(with_floor(None, 0.021), 200)
    assert "the ratios of pairs scatter by 2.1%\n" in text
    assert "the host moved" not in text


def test_a_host_that_shows_nothing_is_called_too_busy() -> None:
    text = text_of(with_floor(0.9, 1.0), 200)
    assert "too busy a machine for an answer: 24 pairs show nothing below 2x\n" in text
    assert "smallest gain" not in text


def test_a_study_alone_says_so() -> None:
    assert "\nmeasured alone\n" in text_of(result_of(), 200)


def test_the_floor_is_kept_in_the_file(tmp_path: Path) -> None:
    result = with_floor(0.14, 0.021)
    best_file.write(best_file.best_configuration(result, {}), tmp_path / "best.yaml")
    assert best_file.load(tmp_path / "best.yaml").evidence.noise == result.evidence.noise


def test_runs_that_never_settled_are_one_sentence_and_a_mark() -> None:
    result = result_of()
    assert "never settled" not in text_of(result, 300)
    best = replace(result.evidence.best, unsteady=3)
    text = text_of(replace(result, evidence=replace(result.evidence, best=best)), 300)
    assert "never settled: 0 of 6 runs of the baseline, 3 of 6 of the best: give more " in text
    assert [marked(figures) for figures in (result.evidence.best, best)] == ["", ", 3 unsteady"]


def test_the_sentence_of_noise_names_the_causes() -> None:
    noise = Noise(None, 0, 9, {"slow processor": 2, "device shared": 1}, 3)
    assert disturbed(noise) == (
        "disturbed from outside: 3 of 9 runs: slow processor 2 (a neighbour of this virtual "
        "machine, or its clock: measure again later), device shared 1 (wait until nobody else "
        "uses the NPU)"
    )


def test_a_machine_too_busy_for_an_answer_is_called_so() -> None:
    result = result_of()
    assert result.evidence.interval is not None
    interval = replace(result.evidence.interval, smallest_effect=18.0)
    text = text_of(replace(result, evidence=replace(result.evidence, interval=interval)), 200)
    assert "too busy a machine for an answer: these 6 pairs show nothing below 18.00x; " in text
    assert "smallest speed-up" not in text


def test_ratios_near_one_have_a_third_digit() -> None:
    assert [times(ratio) for ratio in (3.256, 1.1, 1.04, 0.95)] == [
        "3.26x",
        "1.10x",
        "1.040x",
        "0.950x",
    ]


def test_what_the_programs_code_must_do_stands_beside_the_best_that_needs_no_code() -> None:
    def answer(step: NextRun) -> float:
        mode, spin = (step.configuration[name] for name in ("mode", "spin"))
        return 5.0 if mode == "fast" else 8.0 if spin == "on" else 10.0

    searched = [*SEARCHED, recorded(5, 8, spin="on")]
    text = text_of(conclude(confirmed(searched, answer)[1]), 200)
    assert "for the program's own code: mode=fast; as a module: npu-tune export s --form" in text
    assert "the best without it: spin=on, 1.25x when measured again" in text
    alone = text_of(result_of(), 200)
    assert "without it nothing was faster than the baseline" in alone
    no_code = result_of(searched=[recorded(0, 10), recorded(1, 5, spin="on")])
    assert (no_code.in_code, no_code.without_code) == ({}, None)
    assert "own code" not in text_of(no_code, 200)
