"""A runner whose runs are answered from a function, instead of processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.support.runs import BEGAN, SPACE, recorded, study_record
from tuner.options import Setup
from tuner.runs.records import Run
from tuner.runs.store import MemoryStore
from tuner.space.model import Configuration
from tuner.study.runner import Runner
from tuner.worker.protocol import Outcome, Role, TrialSpec


class Lines:
    """An observer that writes down what it is told before each run."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def run_started(
        self, done: int, total: int, role: Role, configurations: Sequence[Configuration]
    ) -> None:
        """How far it is."""
        modes = " ".join(str(configuration["mode"]) for configuration in configurations)
        self.lines.append(f"{done} of {total}: {role.value} {modes}")

    def heat_at(self, number: int, phase: str, turn: int) -> None:
        """Nothing."""

    def run_ended(self, recorded: object) -> None:
        """Nothing."""


def is_fast(spec: TrialSpec) -> bool:
    """Is it a run with mode=fast?"""
    return any(knob.name == "mode" and knob.value == "fast" for knob in spec.knobs)


def runner_of(
    answer: Callable[[TrialSpec], float | Outcome] = lambda _: 10.0, stop_after: int = 999
) -> tuple[Runner, list[TrialSpec], list[str]]:
    """A study of SPACE whose runs take so many ms, or fail; its specs, its observer's lines."""
    specs: list[TrialSpec] = []

    def launch(spec: TrialSpec) -> Run:
        specs.append(spec)
        value = answer(spec)
        ms, outcome = (10.0, value) if isinstance(value, Outcome) else (value, Outcome.OK)
        knobs = {knob.name: knob.value for knob in spec.knobs}
        run = recorded(spec.trial, ms, outcome, **knobs).run
        return replace(run, spec=spec, started_at=BEGAN + timedelta(seconds=len(specs)))

    observer, record, nowhere = Lines(), study_record(), Path("/nowhere")
    setup = Setup("m", trials=2)
    runner = Runner(
        record, setup, SPACE, MemoryStore(), launch, observer,
        lambda: len(specs) >= stop_after, nowhere,
    )  # fmt: skip
    return runner, specs, observer.lines
