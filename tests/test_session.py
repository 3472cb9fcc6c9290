"""What may be asked of a study that has begun."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.errors import UsageError
from tuner.holdout import spent
from tuner.session import resumed
from tuner.setup import Setup
from tuner.summary import Summary

from .fakes import SPACE, confirmed, recorded

SEARCHED = [recorded(0, 10), recorded(1, 5, mode="fast")]


def a_confirmed_study(**options: object) -> Summary:
    asked = Setup("m", trials=2, **options)  # type: ignore[arg-type]
    answers = {True: 5.0, False: 10.0}
    return confirmed(
        SEARCHED, lambda step: answers[bool(SPACE.changed(step.configuration))], asked=asked,
        confirm="auto",
    )[1]  # fmt: skip


def test_another_plan_remembers_what_was_looked_at() -> None:
    summary = a_confirmed_study()
    asked = Setup("m", trials=2, confirm="16")
    assert resumed(asked, summary).spent == spent(summary) == 2 / 2**8
    same = Setup("m", trials=2)
    assert resumed(same, summary) == same


def test_a_longer_search_is_confirmed_anew_with_nothing_spent() -> None:
    asked = Setup("m", trials=3, confirm="16", spent=0.03)
    assert resumed(asked, a_confirmed_study()).spent == 0.0


def test_fewer_trials_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="has 2 trials already"):
        resumed(Setup("m", trials=1), a_confirmed_study())


def test_another_budget_comes_too_late_once_the_confirmation_has_begun() -> None:
    summary = a_confirmed_study(budget_s=60.0)
    with pytest.raises(UsageError, match="extend it with --trials and more than 2"):
        resumed(Setup("m", trials=40, budget_s=600.0), summary)
    begun = replace(summary, confirmation_runs=())
    assert resumed(Setup("m", trials=40, budget_s=600.0), begun).budget_s == 600.0
