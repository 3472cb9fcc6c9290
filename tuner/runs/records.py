"""What is recorded of a study: its setup, and its runs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..space.model import Configuration
from ..worker.facts import ProbeFacts
from ..worker.protocol import Measurement, Outcome, Role, TrialResult, TrialSpec


@dataclass(frozen=True)
class StudyFacts:
    """What the probe told before the study began, and in which environment."""

    probe: ProbeFacts
    fingerprint: dict[str, Any]


@dataclass(frozen=True)
class StudyRecord:
    """A study as stored. Its setup, its frozen space and its owner are JSON types."""

    name: str
    created_at: datetime
    finished_at: datetime | None
    setup: dict[str, Any]
    space: dict[str, Any]
    facts: StudyFacts
    owner: dict[str, Any] | None


@dataclass(frozen=True)
class Run:
    """One worker process: what was asked, what came back."""

    spec: TrialSpec
    result: TrialResult
    log_tail: str
    started_at: datetime
    wall_ns: int
    uid: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True)
class RecordedRun:
    """A run with the trial and the configuration that it belongs to.

    disturbed: by what from outside, as it was judged when the run was recorded. Not judged again by
    what is usual later: what was decided on the way must stay so.
    """

    trial: int
    configuration: Configuration
    run: Run
    disturbed: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """How the run ended."""
        return self.run.result.outcome

    @property
    def ok(self) -> bool:
        """Did it run to its end, with the baseline's output?"""
        return self.outcome == Outcome.OK

    @property
    def measurement(self) -> Measurement | None:
        """What it measured; None where it is not `ok`, or measures nothing."""
        return self.run.result.measurement

    @property
    def role(self) -> Role:
        """Why it was made."""
        return self.run.spec.role

    @property
    def block(self) -> int:
        """Its block of the confirmation or the ablation, or its pair of the hold-out."""
        return self.run.spec.block


def elapsed_s(runs: Sequence[RecordedRun]) -> float:
    """How long these took together: runs of one heat are in the same seconds."""
    heats: dict[int, int] = {}
    for recorded in runs:
        number, wall_ns = recorded.run.spec.heat, recorded.run.wall_ns
        heats[number] = max(heats.get(number, 0), wall_ns) if number else heats.get(0, 0) + wall_ns
    return sum(heats.values()) / 1e9
