"""Heats that are answered from a function, instead of processes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from tests.support.runs import BEGAN, study_record
from tuner import options
from tuner.options import Setup
from tuner.runs import heat
from tuner.runs.heat import CompanionEnded
from tuner.runs.launcher import Launcher
from tuner.runs.member import Member
from tuner.runs.records import Run, StudyRecord
from tuner.runs.store import MemoryStore, RunStore
from tuner.space import model
from tuner.space.model import SearchSpace
from tuner.study.loop import Study
from tuner.study.runner import Runner, Silent
from tuner.worker.protocol import Measurement, Outcome, ReadBack, Role, TrialResult, TrialSpec

TURNS = 3
Answer = Callable[[TrialSpec], float | Outcome]


def value_of(spec: TrialSpec, knob: str) -> object:
    """What a knob is set to."""
    return next(setting.value for setting in spec.knobs if setting.name == knob)


@dataclass
class Heats:
    """What stands for processes. answer: ms of a spec's calls, or how it ends.

    host: factor on everything in a heat, by its number. lost: heats in which the companion ends,
    each once. made: the specs of each heat, and the numbers of its companions. alone: of each run
    alone.
    """

    answer: Answer
    host: Callable[[int], float] = lambda _: 1.0
    lost: list[int] = field(default_factory=list)
    made: list[tuple[list[TrialSpec], list[int]]] = field(default_factory=list)
    alone: list[TrialSpec] = field(default_factory=list)
    living: list[int] = field(default_factory=list)

    def launch(self, spec: TrialSpec) -> Run:
        """A run alone."""
        self.alone.append(spec)
        return self._run(spec, 1.0, len(self.alone))

    def measure(
        self,
        number: int,
        wanted: Sequence[tuple[Launcher, TrialSpec]],
        companions: Sequence[Member] = (),
        tell: heat.Tell = lambda _phase, _turn: None,
        at_once: int = 2,
    ) -> tuple[list[Run | None], list[Run]]:
        """A heat."""
        tell("prepare", at_once)
        if number in self.lost:
            self.lost.remove(number)
            raise CompanionEnded(TrialResult(Outcome.CRASHED, "killed by SIGKILL"))
        specs = [spec for _, spec in wanted]
        self.made.append((specs, [member.spec.companion for member in companions]))
        factor = self.host(number)
        runs: list[Run | None] = [self._run(spec, factor, n) for n, spec in enumerate(specs)]
        failed = {
            run.spec.reference_path
            for run in runs
            if run and run.spec.role == Role.BASELINE and run.result.outcome != Outcome.OK
        }
        for place, run in enumerate(runs):
            if run and run.spec.role == Role.SEARCH and run.spec.reference_path in failed:
                runs[place] = None
        parts = [
            self._run(replace(member.spec, heat=number), factor, 50 + place)
            for place, member in enumerate(companions)
        ]
        return runs, parts

    @contextlib.contextmanager
    def companion(self, launcher: Launcher, spec: TrialSpec) -> Iterator[Member]:
        """One that is in no process."""
        self.living.append(spec.companion)
        member = Member(launcher, spec, Path("/nowhere"))

        def left() -> None:
            if not member.out:
                self.living.remove(spec.companion)
            member.out = True

        member.leave = left  # type: ignore[method-assign]
        try:
            yield member
        finally:
            left()

    def _run(self, spec: TrialSpec, factor: float, place: int) -> Run:
        value = self.answer(spec)
        outcome = value if isinstance(value, Outcome) else Outcome.OK
        measurement = None
        if spec.role == Role.BASELINE and outcome == Outcome.OK:
            Path(spec.reference_path).touch()
        if not isinstance(value, Outcome):
            measurement = measurement_of(spec, int(1e6 * value * factor))
        result = TrialResult(
            outcome,
            "" if outcome == Outcome.OK else "why",
            measurement=measurement,
            read_back={s.name: ReadBack(s.value, False, "") for s in spec.knobs},
        )
        began = BEGAN + timedelta(seconds=10 * spec.heat, microseconds=place)
        return Run(spec, result, "log", began, 10**9)


def measurement_of(spec: TrialSpec, call_ns: int) -> Measurement:
    """The same in every call; in turns where it is in a heat."""
    turns = list(range(TURNS)) if spec.heat else []
    return Measurement(
        [call_ns], [call_ns // 2] * TURNS, [call_ns] * TURNS, [2 * call_ns] * TURNS, 2,
        spec.batch_size or 1, latency_turns=turns, block_turns=turns, turns=turns,
    )  # fmt: skip


def study_of(
    space: SearchSpace,
    heats: Heats,
    folder: Path,
    store: RunStore | None = None,
    stop: Callable[[], bool] = lambda: False,
    **asked: object,
) -> Study:
    """A study whose runs the heats answer."""
    setup = Setup("m", **{"trials": 12, "confirm": "off", "heat": "5", **asked})  # type: ignore[arg-type]
    record: StudyRecord = replace(
        study_record(), space=model.to_dict(space), setup=options.to_dict(setup)
    )
    launcher = Launcher("python", folder)
    runner = Runner(
        record, setup, space, store or MemoryStore(), heats.launch, Silent(), stop, folder,
        launcher, heats=heats,
    )  # fmt: skip
    return Study(runner)
