"""The live line: trial k of n, best so far against the baseline, time left, failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ..evidence.objectives import Objective
from ..evidence.summary import CONFIRMATION_ROLES
from ..language import N_, say
from ..policy import BATCH_SIZE
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..text import describe, duration
from ..worker.protocol import Role


@dataclass
class Progress:
    """What is known while a study runs. `redraw` is called on events only."""

    objective: Objective
    redraw: Callable[[str], None]
    total: int = 0
    done: int = 0
    confirming: bool = False
    explaining: bool = False
    current: str = ""
    baselines: dict[object, float] = field(default_factory=dict)
    best: float | None = None
    failures: Counter[str] = field(default_factory=Counter)
    wall_s: list[float] = field(default_factory=list)

    def run_started(self, done: int, total: int, role: Role, configuration: Configuration) -> None:
        """Show what is about to be measured."""
        self.done, self.total = done, total
        self.confirming = role in CONFIRMATION_ROLES
        self.explaining = role == Role.ABLATION
        self.current = describe(configuration)
        self.redraw(self.line())

    def run_ended(self, recorded: RecordedRun) -> None:
        """Take the result in."""
        self.wall_s.append(recorded.run.wall_ns / 1e9)
        if not recorded.ok:
            self.failures[recorded.outcome.value] += 1
        elif recorded.measurement is not None:
            value = self.objective.of(recorded.measurement)
            batch = recorded.configuration.get(BATCH_SIZE)
            if recorded.role == Role.BASELINE:
                self.baselines.setdefault(batch, value)
            elif batch in self.baselines and not self.confirming:
                speedup = self.objective.speedup(value, self.baselines[batch])
                self.best = max(self.best or 0.0, speedup)
        self.redraw(self.line())

    def line(self) -> str:
        """One line, most important first."""
        text = (
            N_("confirming: run {n} of {total}") if self.confirming else N_("trial {n} of {total}")
        )
        if self.explaining:
            text = N_("why it is faster: run {n} of {total}")
        parts = [say(text, n=min(self.done + 1, self.total), total=self.total)]
        if self.baselines:
            first = next(iter(self.baselines.values()))
            parts.append(say("baseline {value:.4g} {unit}", value=first, unit=self.objective.unit))
        if self.best:
            parts.append(say("best so far {speedup:.2f}x (one run)", speedup=self.best))
        if self.wall_s:
            left_s = max(0, self.total - self.done) * sum(self.wall_s) / len(self.wall_s)
            parts.append(say("about {time} left", time=duration(left_s)))
        parts += [f"{count} {outcome}" for outcome, count in self.failures.items()]
        return " · ".join([*parts, self.current])
