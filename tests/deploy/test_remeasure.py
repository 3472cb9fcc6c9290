"""Two environments in turns: the order of the runs, and what is made of them."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import tuner.study.session  # noqa: F401  takes stored.load before a test here replaces it
from tests.support.in_heats import in_heat
from tests.support.runs import BEGAN, confirmed, recorded
from tuner.cli.main import main
from tuner.deploy import remeasure as module
from tuner.deploy.compare import best
from tuner.deploy.remeasure import Remeasured, remeasure
from tuner.errors import Interrupted, UnfitEnvironmentError, UsageError
from tuner.evidence.summary import Summary
from tuner.runs.records import Run, StudyRecord
from tuner.runs.store import Store
from tuner.study import stored
from tuner.study.runner import Caller
from tuner.worker.protocol import Outcome, Role, TrialSpec

MADE: list[tuple[str, str, Role]] = []


@dataclass
class Environment:
    """Answers for one study: so many ms as it is, so many at its best."""

    name: str
    folder: Path
    times_ms: tuple[float, float]
    outcome: Outcome = Outcome.OK
    torch: str = "2.15.0"
    specs: list[TrialSpec] = field(default_factory=list)

    def run(self, spec: TrialSpec) -> Run:
        tuned = any(k.name == "mode" and k.value == "fast" for k in spec.knobs)
        MADE.append((self.name, "best" if tuned else "baseline", spec.role))
        ms = self.times_ms[tuned]
        made = recorded(0, ms, self.outcome).run
        result = replace(made.result, fingerprint={"torch": self.torch})
        began = BEGAN + timedelta(seconds=len(MADE))
        return replace(made, spec=spec, result=result, started_at=began)


def a_study(name: str) -> Summary:
    """Its winner is mode=fast, confirmed."""
    runs = [recorded(0, 10), recorded(1, 4, mode="fast")]
    summary = confirmed(runs, lambda step: 4.0 if step.configuration["mode"] == "fast" else 10.0)[1]
    return replace(summary, study=replace(summary.study, name=name))


def measured(
    monkeypatch: pytest.MonkeyPatch, second: Environment | None = None, stop_after: int = 999
) -> Remeasured:
    MADE.clear()
    old = Environment("old", Path("/old"), (10.0, 4.0))
    places = {"old": old, "new": second or Environment("new", Path("/new"), (5.0, 4.0))}

    def ready(studies: list[tuple[StudyRecord, Path]], _: Any) -> list[Environment]:
        return [places[record.name] for record, _ in studies]

    monkeypatch.setattr(module, "ready", ready)
    first, after = a_study("old"), a_study("new")
    assert first.space.changed(best(first)) == {"mode": "fast"}
    return remeasure(first, after, 6, Caller(stop=lambda: len(MADE) >= stop_after))


def test_both_environments_take_turns_and_go_first_in_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured(monkeypatch)
    references, runs = MADE[:2], MADE[2:]
    assert references == [("old", "baseline", Role.BASELINE), ("new", "baseline", Role.BASELINE)]
    assert [(name, what) for name, what, _ in runs[:8]] == [
        ("old", "baseline"), ("new", "baseline"), ("old", "best"), ("new", "best"),
        ("new", "baseline"), ("old", "baseline"), ("new", "best"), ("old", "best"),
    ]  # fmt: skip
    assert len(runs) == 4 * 6


def test_runs_of_one_heat_are_held_against_each_other_turn_by_turn() -> None:
    # In two of three turns twice as fast; by the medians of the runs it would be slower.
    pairs = [
        (in_heat(heat, [10, 30, 10], Role.HOLD_OUT), in_heat(heat, [5, 15, 15], Role.HOLD_OUT))
        for heat in range(1, 7)
    ]
    change = module._change(a_study("old"), pairs)
    assert (change.comparison.speedup, change.comparison.verdict) == (2.0, "faster")


def test_the_second_is_held_against_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(monkeypatch)
    assert (found.baseline.comparison.speedup, found.baseline.comparison.verdict) == (2.0, "faster")
    assert found.winner is not None
    assert (found.winner.comparison.speedup, found.winner.comparison.verdict) == (1.0, "same")
    assert found.baseline.comparison.paired
    assert found.baseline.values == (10.0, 5.0)


def test_stopped_early_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Interrupted, match="stopped after 2 pairs; 6 make an interval"):
        measured(monkeypatch, stop_after=2 + 8)


def test_a_stop_is_seen_between_two_runs_and_an_unfinished_pair_does_not_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(Interrupted, match="stopped after 2 pairs"):
        measured(monkeypatch, stop_after=2 + 9)
    assert len(MADE) == 2 + 9


def test_an_environment_that_does_not_run_any_more_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = Environment("new", Path("/new"), (5.0, 4.0), Outcome.CRASHED)
    with pytest.raises(UnfitEnvironmentError, match="study 'new' does not run any more: crashed"):
        measured(monkeypatch, broken)


def test_an_environment_that_was_upgraded_in_place_is_not_taken_for_the_old_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    upgraded = Environment("new", Path("/new"), (5.0, 4.0), torch="2.16.0")
    with pytest.raises(UnfitEnvironmentError, match=r"'new' was measured with torch 2\.15\.0, its"):
        measured(monkeypatch, upgraded)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(UsageError, match="--confirm 5: 6 to 1000 pairs"):
        remeasure(a_study("a"), a_study("b"), 5, Caller())


@pytest.mark.parametrize("then", ["Ctrl-C", "error"])
def test_pairs_that_were_made_are_printed_whatever_comes_then(
    then: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def remeasured(_: Summary, second: Summary, *__: Any) -> Remeasured:
        asked.append(second.study.name)
        if asked == ["b"]:
            if then == "Ctrl-C":
                signal.raise_signal(signal.SIGINT)
            return Remeasured(done, None)
        raise UnfitEnvironmentError("c is gone")

    done = measured(monkeypatch).baseline
    monkeypatch.setattr(module, "remeasure", remeasured)
    monkeypatch.setattr(stored, "load", lambda _, name: a_study(name))
    storage = f"sqlite:///{tmp_path}/s.db"
    Store(storage).close()
    command = ["compare", "a", "b", "c", "--remeasure", "--json", "--storage", storage]
    shown = CliRunner().invoke(main, command)
    found = json.loads(shown.stdout)["comparisons"]
    assert found[0]["remeasured"]["baseline"]["comparison"]["speedup"] == 2.0
    if then == "Ctrl-C":  # no run of c was begun
        assert (shown.exit_code, asked) == (0, ["b"])
        assert [one["remeasured"] is None for one in found] == [False, True]
    else:
        assert (shown.exit_code, asked, len(found)) == (4, ["b", "c"], 1)
