"""Recorded runs with literal numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone

from tuner import options
from tuner.evidence import ablation, finalists, pairs
from tuner.evidence.pairs import Step
from tuner.evidence.summary import Summary, summarize
from tuner.options import Setup
from tuner.runs.records import RecordedRun, Run, StudyFacts, StudyRecord
from tuner.space import model
from tuner.space.model import Configuration, Knob, SearchSpace, Value
from tuner.worker.facts import ProbeFacts
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
        Knob("threads", "why threads", "process", "unset", ("unset", 1, 2, 3, 4), "threads"),
        Knob("warmup", "", "measurement", 10, (5, 10)),
        Knob("batch_size", "", "input", 1, (1, 8)),
    ),
    presets={},
    rules=(),
)


@dataclass(frozen=True)
class NextRun:
    """One run of a step; `done` of `total` are recorded."""

    role: Role
    block: int
    trial: int
    configuration: Configuration
    done: int
    total: int


def study_record(asked: Setup | None = None) -> StudyRecord:
    """A study of SPACE, begun at BEGAN."""
    facts = StudyFacts(ProbeFacts(inputs=["1x3:float32"]), {"torch": "2.15.0"})
    stored = options.to_dict(asked or Setup("m", trials=10))
    return StudyRecord("s", BEGAN, None, stored, model.to_dict(SPACE), facts, None)


def recorded(
    trial: int,
    latency_ms: float = 0.0,
    outcome: Outcome = Outcome.OK,
    confirming: NextRun | None = None,
    **knobs: Value,
) -> RecordedRun:
    """A run of SPACE's baseline with some knobs set; every sample takes `latency_ms`."""
    configuration: Configuration = {**SPACE.baseline(), **knobs}
    role = Role.BASELINE if SPACE.is_baseline(configuration) else Role.SEARCH
    spec = TrialSpec("s", trial, role, "cpu", ModelSpec("torchvision", "m"))
    if confirming:
        spec = replace(spec, role=confirming.role, block=confirming.block)
    duration_ns, batch = int(latency_ms * 1e6), int(configuration["batch_size"])
    measured = Measurement(
        [duration_ns * 9, duration_ns], [duration_ns // 2] * 3, [duration_ns] * 3,
        [duration_ns * 4], 4, batch,
    )  # fmt: skip
    threads = 2 if configuration["threads"] == "unset" else configuration["threads"]
    result = TrialResult(
        outcome,
        "" if outcome == Outcome.OK else "why",
        measurement=measured if outcome == Outcome.OK else None,
        output=OutputCheck("passed", "digest", 1e-6),
        read_back={"threads": ReadBack(threads, True, ""), "mode": ReadBack("fast", False, "")},
    )
    when = BEGAN + timedelta(seconds=trial)
    return RecordedRun(trial, configuration, Run(spec, result, "log", when, 10**9))


def next_step(summary: Summary, winner: Configuration | None = None) -> Step | None:
    """The next block after the search; of a winner that nobody chose, the next pair."""
    if winner is not None:
        return pairs.next_step(summary, winner)
    return finalists.next_step(summary, seed=0) or ablation.next_step(summary, seed=0)


def next_runs(summary: Summary, winner: Configuration | None = None) -> list[NextRun]:
    """The runs of the next step, in their order; none when all is complete."""
    step = next_step(summary, winner)
    runs = enumerate(step.runs if step else (), start=step.done if step else 0)
    return [NextRun(step.role, step.block, *run, done, step.total) for done, run in runs if step]


def confirmed(
    runs: list[RecordedRun],
    answer: Callable[[NextRun], float | Outcome],
    pairs: int = 6,
    asked: Setup | None = None,
    confirm: str = "",
    winner: Configuration | None = None,
) -> tuple[list[NextRun], Summary]:
    """The steps of a whole confirmation, each answered with a latency in ms, and the summary.

    And those of an ablation, where it is asked for. winner: only the pairs of this one.
    """
    runs, steps = list(runs), []
    asked = replace(asked or Setup("m", trials=10), confirm=confirm or str(pairs))
    record, after = study_record(asked), len({one.trial for one in runs})
    while block := next_runs(summarize(record, runs), winner):
        for step in block:
            steps.append(step)
            said = answer(step)
            latency_ms, outcome = (0.0, said) if isinstance(said, Outcome) else (said, Outcome.OK)
            run = recorded(step.trial, latency_ms, outcome, step, **step.configuration)
            spec = replace(run.run.spec, after_trials=after)
            runs.append(replace(run, run=replace(run.run, spec=spec)))
        assert len(steps) < 200
    return steps, summarize(record, runs)
