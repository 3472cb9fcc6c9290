"""What each knob did, from the search's configurations."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.support.runs import SPACE, recorded, study_record
from tuner.evidence.effects import effects, every_effect
from tuner.evidence.measured import Measured
from tuner.evidence.summary import Summary, summarize
from tuner.runs.records import RecordedRun
from tuner.space import file, model
from tuner.worker.protocol import Outcome

MODES, SPINS, THREADS = ("unset", "fast"), ("unset", "on"), ("unset", 1, 3, 4)


def grid(scatter: float = 0.0) -> list[RecordedRun]:
    """Every combination: mode=fast is 2 times better, spin=on inert, threads=1 0.8 times."""
    combinations = [(m, s, t) for m in MODES for s in SPINS for t in THREADS]
    chance, runs = random.Random(4), []
    for trial, (mode, spin, threads) in enumerate(combinations):
        latency_ms = 10 / (2 if mode == "fast" else 1) / (0.8 if threads == 1 else 1)
        latency_ms *= chance.lognormvariate(0.0, scatter)
        runs.append(recorded(trial, latency_ms, mode=mode, spin=spin, threads=threads))
    return runs


def test_effects_multiply_and_are_told_apart() -> None:
    summary = summarize(study_record(), grid())
    each = effects(summary, {**SPACE.baseline(), "mode": "fast", "threads": 1, "spin": "on"})
    assert {name: round(effect.speedup, 6) for name, effect in each.items()} == {
        "mode": 2.0,
        "spin": 1.0,
        "threads": 0.8,
    }


def test_an_effect_within_its_interval_did_not_matter() -> None:
    summary = summarize(study_record(), grid(scatter=0.1))
    each = effects(summary, {**SPACE.baseline(), "mode": "fast", "spin": "on"})
    assert each["mode"].mattered
    assert not each["spin"].mattered
    assert each["spin"].low < 1 < each["spin"].high


@pytest.mark.parametrize(("count", "known"), [(1, 0), (13, 0), (14, 5), (16, 5)])
def test_effects_need_eight_configurations_more_than_they_are(count: int, known: int) -> None:
    summary = summarize(study_record(), grid()[-count:])
    assert len(every_effect(summary, 1)) == known


def names_an_effect(empty: Summary, trials: int, chance: random.Random) -> bool:
    """Does a study in which no knob does anything, with a scatter of 7 %, name one that does?"""
    candidates = [*empty.space.configurations(1)]
    measured = []
    for configuration in [candidates[0], *chance.sample(candidates[1:], trials - 1)]:
        value = 10 * chance.lognormvariate(0.0, 0.07)
        measured.append(Measured(configuration, (), (), Outcome.OK, value, value))
    fit = every_effect(replace(empty, measured=tuple(measured)), 1)
    return any(effect.mattered for effect in fit.values())


@pytest.mark.parametrize("trials", [16, 30])
def test_of_studies_without_effects_one_in_twenty_names_any(trials: int) -> None:
    npu = file.load(file.find("npu")).space
    record = replace(study_record(), space=model.to_dict(npu))
    empty, chance = summarize(record, []), random.Random(1)
    wrong = sum(names_an_effect(empty, trials, chance) for _ in range(500))
    assert wrong <= 30
