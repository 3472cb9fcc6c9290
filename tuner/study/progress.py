"""The live line: trial k of n, best so far against the baseline, time left, failures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..evidence.objectives import Objective, objective_of
from ..evidence.summary import CONFIRMATION_ROLES
from ..language import N_, say
from ..policy import BATCH_SIZE
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..text import describe, duration
from ..worker.protocol import Role


@dataclass
class Progress:
    """What is known while a study runs. `redraw` is called on events only.

    equals: it is the baseline against itself, which confirms nothing.
    """

    objective: Objective
    redraw: Callable[[str], None]
    total: int = 0
    done: int = 0
    equals: bool = False
    confirming: bool = False
    explaining: bool = False
    current: str = ""
    baselines: dict[object, float] = field(default_factory=dict)
    best: float | None = None
    failures: Counter[str] = field(default_factory=Counter)
    began: float | None = None
    began_at: int = 0
    together: int = 1
    heat: str = ""
    clock: Callable[[], float] = time.monotonic

    def run_started(
        self, done: int, total: int, role: Role, configurations: Sequence[Configuration]
    ) -> None:
        """Show what is about to be measured."""
        if self.began is None or self.confirming != (role in CONFIRMATION_ROLES):
            self.began, self.began_at = self.clock(), done
        self.done, self.total, self.together, self.heat = done, total, len(configurations), ""
        self.confirming = role in CONFIRMATION_ROLES
        self.explaining = role == Role.ABLATION
        self.current = ", ".join(describe(configuration) for configuration in configurations)
        self.redraw(self.line())

    def heat_at(self, number: int, phase: str, turn: int) -> None:
        """Show where the heat is."""
        text = {"prepare": N_("heat {n}: preparing"), "turn": N_("heat {n}: turn {turn}")}
        self.heat = say(text.get(phase, N_("heat {n}: warming up")), n=number, turn=turn + 1)
        self.redraw(self.line())

    def run_ended(self, recorded: RecordedRun) -> None:
        """Take the result in."""
        if not recorded.ok:
            self.failures[recorded.outcome.value] += 1
        elif recorded.measurement is not None:
            if recorded.run.spec.model.batch == "none":
                self.objective = objective_of(self.objective.name, batch=False)
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
        if self.equals and self.confirming:
            text = N_("the baseline against itself: run {n} of {total}")
        if self.explaining:
            text = N_("why it is faster: run {n} of {total}")
        numbers = str(min(self.done + 1, self.total))
        if self.together > 1:
            numbers += f"-{min(self.done + self.together, self.total)}"
        parts = [say(text, n=numbers, total=self.total)]
        if self.baselines:
            first = next(iter(self.baselines.values()))
            parts.append(say("baseline {value:.4g} {unit}", value=first, unit=self.objective.unit))
        if self.best:
            parts.append(say("best so far {speedup:.2f}x (one run)", speedup=self.best))
        if self.began is not None and self.done > self.began_at:
            each_s = (self.clock() - self.began) / (self.done - self.began_at)
            left_s = max(0, self.total - self.done) * each_s
            parts.append(say("about {time} left", time=duration(left_s)))
        parts += [f"{count} {outcome}" for outcome, count in self.failures.items()]
        return " · ".join([*parts, *filter(None, [self.heat]), self.current])
