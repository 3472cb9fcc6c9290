"""What each knob did, from the search's configurations."""

from __future__ import annotations

import pytest

from tuner.effects import effects
from tuner.records import RecordedRun
from tuner.summary import summarize

from .fakes import SPACE, recorded, study_record

MODES, SPINS, THREADS = ("unset", "fast"), ("unset", "on"), ("unset", 1)


def grid(jitter: float = 1.0) -> list[RecordedRun]:
    """Every combination: mode=fast is 2 times better, spin=on inert, threads=1 0.8 times."""
    combinations = [(m, s, t) for m in MODES for s in SPINS for t in THREADS]
    found = []
    for trial, (mode, spin, threads) in enumerate(combinations):
        latency_ms = 10 / (2 if mode == "fast" else 1) / (0.8 if threads == 1 else 1)
        latency_ms *= jitter if trial in (1, 2, 4, 7) else 1
        found.append(recorded(trial, latency_ms, mode=mode, spin=spin, threads=threads))
    return found


def test_effects_multiply_and_are_told_apart() -> None:
    summary = summarize(study_record(), grid())
    found = effects(summary, {**SPACE.baseline(), "mode": "fast", "threads": 1, "spin": "on"})
    assert {name: round(one.speedup, 6) for name, one in found.items()} == {
        "mode": 2.0,
        "spin": 1.0,
        "threads": 0.8,
    }


def test_an_effect_within_its_interval_did_not_matter() -> None:
    summary = summarize(study_record(), grid(jitter=1.1))
    found = effects(summary, {**SPACE.baseline(), "mode": "fast", "spin": "on"})
    assert found["mode"].mattered
    assert not found["spin"].mattered
    assert found["spin"].low < 1 < found["spin"].high


@pytest.mark.parametrize("kept", [1, 4])
def test_too_few_configurations_give_no_effects(kept: int) -> None:
    summary = summarize(study_record(), grid()[:kept])
    assert effects(summary, {**SPACE.baseline(), "mode": "fast"}) == {}
