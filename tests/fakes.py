"""Recorded runs with literal numbers."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from tuner import search_space, setup
from tuner.launcher import Run
from tuner.search_space import Configuration, Knob, SearchSpace
from tuner.setup import Setup
from tuner.store import RecordedRun, StudyRecord
from tuner.worker.protocol import (
    Measurement,
    ModelSpec,
    Outcome,
    OutputCheck,
    ReadBack,
    Role,
    TrialResult,
    TrialSpec,
)

BEGAN = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)
SPACE = SearchSpace(
    name="test",
    backend="cpu",
    knobs=(
        Knob("mode", "why mode", "model", "unset", ("unset", "fast"), "execution"),
        Knob(
            "spin", "why spin", "environment", "unset", ("unset", "on"), "", {"on": {"SPIN": "1"}}
        ),
        Knob("threads", "why threads", "process", "unset", ("unset", 1, 2), "threads"),
        Knob("warmup", "", "measurement", 10, (5, 10)),
        Knob("batch_size", "", "input", 1, (1, 8)),
    ),
    presets={},
    rules=(),
)


def study_record(asked: Setup | None = None) -> StudyRecord:
    """A study of SPACE, begun at BEGAN."""
    facts = {"fingerprint": {"torch": "2.15.0"}, "inputs": ["1x3:float32"]}
    stored = setup.to_dict(asked or Setup("m", trials=10))
    return StudyRecord("s", BEGAN, None, stored, search_space.to_dict(SPACE), facts, None)


def recorded(
    trial: int,
    latency_ms: float = 0.0,
    outcome: Outcome = Outcome.OK,
    **knobs: str | int,
) -> RecordedRun:
    """A run of SPACE's baseline with some knobs set; every sample takes `latency_ms`."""
    configuration: Configuration = {**SPACE.baseline(), **knobs}
    role = Role.BASELINE if SPACE.is_baseline(configuration) else Role.SEARCH
    spec = TrialSpec("s", trial, role, "cpu", ModelSpec("torchvision", "m"))
    duration_ns, batch = int(latency_ms * 1e6), int(configuration["batch_size"])
    measured = Measurement(
        [duration_ns * 9, duration_ns], [duration_ns // 2] * 3, [duration_ns] * 3,
        [duration_ns * 4], 4, batch,
    )  # fmt: skip
    result = TrialResult(
        outcome,
        "" if outcome == Outcome.OK else "why",
        measurement=measured if outcome == Outcome.OK else None,
        output=OutputCheck("passed", "digest", 1e-6),
        read_back={"threads": ReadBack(2, True, ""), "mode": ReadBack("fast", False, "")},
    )
    when = BEGAN + timedelta(seconds=trial)
    return RecordedRun(trial, configuration, Run(spec, result, "log", when, 10**9))
