"""Why the winner is faster: which knobs matter, which are left out, what is then exported."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.support.ablations import ASKED, SEARCHED, ablated, ms, planted
from tests.support.runs import SPACE, NextRun, confirmed, next_runs, recorded, study_record
from tuner.deploy import best as best_file
from tuner.evidence.ablation import findings, minimal
from tuner.evidence.conclude import conclude
from tuner.evidence.summary import Summary, summarize
from tuner.evidence.verdict import judge
from tuner.language import Message
from tuner.options import Setup
from tuner.space import model
from tuner.space.model import Configuration, Rule
from tuner.views.result import why_lines
from tuner.views.rows import finding
from tuner.worker.protocol import Outcome, Role


def redundant(knobs: Configuration) -> float:
    """Either of mode and spin halves the time; both together do no more. threads=1 helps."""
    return (
        10.0 / (2.0 if {"mode", "spin"} & set(knobs) else 1.0) / (1.5 if "threads" in knobs else 1)
    )


def verdicts(summary: Summary) -> dict[str, str]:
    return {finding.knob: finding.verdict for finding in findings(summary)}


def test_each_block_has_the_winner_and_it_without_each_knob_in_a_new_order() -> None:
    steps, _ = ablated(ms)
    blocks = [
        [",".join(SPACE.changed(s.configuration)) for s in steps if s.block == block]
        for block in range(6)
    ]
    sides = ["mode,spin", "mode,spin,threads", "mode,threads", "spin,threads"]
    assert all(sorted(block) == sides for block in blocks)
    assert len({tuple(block) for block in blocks}) > 3


def test_an_inert_and_a_harming_knob_are_named_and_left_out() -> None:
    steps, summary = ablated(ms)
    assert verdicts(summary) == {"mode": "faster", "spin": "same", "threads": "slower"}
    speedups = {f.knob: f.comparison.speedup for f in findings(summary) if f.comparison}
    assert speedups == {
        "mode": pytest.approx(2, 0.01),
        "spin": pytest.approx(1, 0.01),
        "threads": pytest.approx(1 / 1.1, 0.01),
    }
    smaller = minimal(summary)
    assert smaller is not None
    assert (smaller.configuration, smaller.dropped) == ({"mode": "fast"}, ("threads", "spin"))
    assert smaller.over_baseline.speedup == pytest.approx(2.0, 0.01)
    assert smaller.over_winner.verdict == "faster"
    assert [(s.done, s.total) for s in steps] == [(n, 24 if n < 24 else 42) for n in range(42)]


def test_knobs_that_make_each_other_redundant_are_not_both_left_out() -> None:
    steps, summary = ablated(redundant)
    assert verdicts(summary) == {"mode": "same", "spin": "same", "threads": "faster"}
    smaller = minimal(summary)
    assert smaller is not None
    assert len(smaller.dropped) == 1
    assert set(smaller.configuration) == {"mode", "spin", "threads"} - set(smaller.dropped)
    assert smaller.over_baseline.speedup == pytest.approx(3.0, 0.01)
    assert len(steps) == 24 + 18 + 18


def test_where_every_knob_helps_nothing_more_is_measured() -> None:
    steps, summary = ablated(lambda knobs: 10.0 / 2 ** len(knobs))
    assert (len(steps), minimal(summary)) == (24, None)
    assert list(why_lines(conclude(summary))) == ["every knob helps: nothing is left out"]


def test_a_smaller_configuration_that_loses_is_not_taken() -> None:
    steps, summary = ablated(lambda knobs: {3: 5.0, 2: 5.02}.get(len(knobs), 9.0 - len(knobs)))
    # Each knob alone is worth nothing; without two of them most of the win is gone.
    smaller = minimal(summary)
    assert set(verdicts(summary).values()) == {"same"}
    assert smaller is not None
    assert len(smaller.configuration) == 2
    assert len(steps) == 24 + 18 + 18


def test_of_a_single_knob_the_hold_out_has_told_all() -> None:
    searched = [recorded(0, 10), recorded(1, 4, mode="fast")]
    steps, summary = confirmed(searched, planted(ms), asked=ASKED)
    assert {step.role for step in steps} == {Role.HOLD_OUT}  # there is nothing to choose among
    (mode,) = findings(summary)
    assert (mode.knob, mode.verdict, mode.comparison) == (
        "mode",
        "faster",
        judge(summary).comparison,
    )


@pytest.mark.parametrize("setup", [replace(ASKED, ablate=False), ASKED])
def test_it_is_not_made_unless_asked_for_and_won(setup: Setup) -> None:
    def answer(step: NextRun) -> float:
        return 10.0 if setup.ablate else planted(ms)(step)

    steps, summary = confirmed(SEARCHED, answer, asked=setup)
    assert Role.ABLATION not in {step.role for step in steps}
    assert (findings(summary), minimal(summary)) == ((), None)


def test_it_goes_on_where_it_stopped() -> None:
    steps, summary = confirmed(SEARCHED, planted(ms), asked=ASKED)
    before = len([step for step in steps if step.role != Role.ABLATION])
    for kept in (0, 1, 13, 24, 30, 41):
        runs = [*SEARCHED, *summary.confirmation_runs[: before + kept]]
        assert next_runs(summarize(summary.study, runs))[0] == steps[before + kept]
    assert next_runs(summary) == []


def test_its_runs_are_neither_the_searchs_nor_the_hold_outs() -> None:
    _, summary = ablated(ms)
    _, without = confirmed(SEARCHED, planted(ms), asked=replace(ASKED, ablate=False))
    assert [len(m.runs) for m in summary.measured] == [1, 1]
    assert (summary.trials_done, conclude(summary).evidence.pairs) == (2, 6)
    assert conclude(summary).finalists == conclude(without).finalists


def test_a_knob_without_which_it_fails_is_kept_and_not_measured_again() -> None:
    def answer(step: NextRun) -> float | Outcome:
        broken = SPACE.changed(step.configuration) == {"mode": "fast", "threads": 1}
        return Outcome.CRASHED if broken else planted(ms)(step)

    steps, summary = confirmed(SEARCHED, answer, asked=ASKED)
    runs = Counter(",".join(SPACE.changed(s.configuration)) for s in steps)
    assert runs["mode,threads"] == 1
    (spin,) = [f for f in findings(summary) if f.knob == "spin"]
    assert (spin.verdict, finding(spin)) == ("not confirmed", "not measured: without it: crashed")
    smaller = minimal(summary)
    assert smaller is not None
    assert smaller.configuration == {"mode": "fast", "spin": "on"}


def test_a_knob_that_a_rule_asks_for_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule({"mode": ("fast",)}, {"spin": ("on",)}, "fast needs spin", "快需旋")
    frozen = model.to_dict(replace(SPACE, rules=(rule,)))
    record = replace(study_record(ASKED), space=frozen)
    monkeypatch.setattr("tests.support.runs.study_record", lambda _: record)
    _, summary = ablated(ms)
    (spin,) = [f for f in findings(summary) if f.knob == "spin"]
    assert (spin.verdict, spin.reason) == (
        "not confirmed",
        Message("fast needs spin", {"zh": "快需旋"}),
    )
    smaller = minimal(summary)
    assert smaller is not None
    assert smaller.configuration == {"mode": "fast", "spin": "on"}


def test_a_winner_that_fails_here_ends_it() -> None:
    def answer(step: NextRun) -> float | Outcome:
        fails = step.role == Role.ABLATION and len(SPACE.changed(step.configuration)) == 3
        return Outcome.TIMEOUT if fails else planted(ms)(step)

    steps, summary = confirmed(SEARCHED, answer, asked=ASKED)
    assert {step.block for step in steps if step.role == Role.ABLATION} == {0}
    reasons = [str(f.reason) for f in findings(summary)]
    assert reasons == ["0 of 6 blocks were measured"] * 3


def test_what_is_exported_is_the_minimal_configuration_with_both_intervals() -> None:
    best = best_file.best_configuration(conclude(ablated(ms)[1]), {})
    assert best.configuration == {"mode": "fast", "warmup": 1}
    assert best.environment_variables == {}
    assert set(best.read_back) == {"mode"}
    assert best.evidence.tried == {"mode": "fast", "spin": "on", "threads": 1}
    assert best.evidence.interval is not None
    assert best.evidence.interval.high < 1.83  # the winner's, which threads=1 slows down
    assert best.minimal is not None
    over_baseline = best.minimal.over_baseline.interval
    assert over_baseline is not None
    assert over_baseline.low > 1.99


def test_the_closing_view_says_what_each_knob_does() -> None:
    result = conclude(ablated(ms)[1])
    assert [finding(f).partition(":")[0] for f in result.ablation] == [
        "helps",
        "no effect",
        "harms",
    ]
    first, second = why_lines(result)
    assert first.startswith("minimal configuration, without threads, spin: 2.00x (")
    assert second == "exported instead of the best: mode=fast"
