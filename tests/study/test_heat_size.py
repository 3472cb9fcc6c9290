"""How many runs are measured in turns: by processors, memory, wish and device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.heats import Heats, study_of
from tests.support.runs import SPACE, recorded
from tuner.runs import heat
from tuner.runs.member import Member
from tuner.runs.records import RecordedRun, StudyFacts
from tuner.study.heat_size import HeatSize, decide, expected_s
from tuner.study.runner import Runner
from tuner.worker.facts import Memory
from tuner.worker.protocol import ModelSpec, Outcome, Role, TrialResult, TrialSpec

GIB = 2**30
PROBE = TrialSpec("", -1, Role.PROBE, "npu", ModelSpec("", ""))


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return study_of(SPACE, Heats(lambda _: 10.0), tmp_path, heat="auto").runner


def of(runner: Runner, cpus: int, asked: str = "auto") -> Runner:
    facts = StudyFacts(runner.record.facts.probe, {"usable_cpus": cpus})
    record = replace(runner.record, facts=facts)
    return replace(runner, record=record, setup=replace(runner.setup, heat=asked))


def taking(memory: Memory | None) -> RecordedRun:
    run = recorded(0, 10)
    return replace(run, run=replace(run.run, result=replace(run.run.result, memory=memory)))


@pytest.mark.parametrize(("cpus", "size"), [(1, 3), (2, 5), (64, 5)])
def test_processors_are_shared_by_two_and_no_more_than_five_are_together(
    cpus: int, size: int, runner: Runner
) -> None:
    decided = decide(of(runner, cpus), taking(None))
    assert (decided.size, str(decided.why)) == (size, f"{cpus} processors")


def test_a_quota_of_one_processor_is_one_processor(runner: Runner) -> None:
    facts = StudyFacts(runner.record.facts.probe, {"usable_cpus": 64, "cpu_quota": 0.5})
    limited = replace(runner, record=replace(runner.record, facts=facts))
    assert decide(limited, taking(None)).size == 3


def test_the_study_s_own_processors_count(runner: Runner) -> None:
    pinned = of(runner, 64)
    pinned.setup = replace(pinned.setup, cpus=(3,))
    assert decide(pinned, taking(None)).size == 3


@pytest.mark.parametrize(("free", "size"), [(40, 5), (4, 3), (1.5, 1)])
def test_as_many_as_fit_into_four_fifths_of_free_memory(
    free: float, size: int, runner: Runner
) -> None:
    decided = decide(of(runner, 8), taking(Memory(GIB, int(free * GIB))))
    assert decided.size == size
    if size < 5:
        assert str(decided.why) == f"{free:.1f} GiB free on the host, 1.0 GiB a run"


def test_half_of_a_device_s_memory_is_left(runner: Runner) -> None:
    memory = Memory(GIB, 100 * GIB, 4 * GIB, 24 * GIB)
    decided = decide(of(runner, 8), taking(memory))
    assert decided == HeatSize(3, decided.why)
    assert str(decided.why) == "24.0 GiB free on the device, 4.0 GiB a run"


def test_who_asks_for_a_number_gets_it(runner: Runner) -> None:
    tight = taking(Memory(GIB, GIB))
    assert [decide(of(runner, 1, str(n)), tight).size for n in (1, 2, 7)] == [1, 2, 7]


def test_without_a_launcher_everything_is_alone(runner: Runner) -> None:
    assert decide(replace(of(runner, 8), launcher=None), taking(None)).size == 1


@pytest.mark.parametrize(("outcome", "size"), [(Outcome.OK, 5), (Outcome.CRASHED, 1)])
def test_a_device_that_takes_one_process_only_is_measured_alone(
    outcome: Outcome, size: int, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[TrialSpec] = []

    def beside(waiting: Member, _: object, spec: TrialSpec) -> TrialResult:
        assert waiting.spec.role == Role.COMPANION
        asked.append(spec)
        return TrialResult(outcome, "no context")

    monkeypatch.setattr(heat, "beside", beside)
    decided = decide(of(runner, 8), taking(None), PROBE)
    assert (decided.size, asked) == (size, [PROBE])
    if size == 1:
        assert str(decided.why) == "no second process gets the device: no context"


def test_the_expected_time_is_of_preparing_together_and_of_turns(runner: Runner) -> None:
    run = taking(None)
    phases = {"interpreter": 0.5, "import": 1.0, "build": 0.5, "samples": 99.0}
    run = replace(run, run=replace(run.run, result=replace(run.run.result, phases_s=phases)))
    runner = of(runner, 2)
    runner.setup = replace(runner.setup, trials=12, baseline_runs=5)
    # 16 runs in 4 heats; 1.5 x 2 s on two processors, 1.5 x 10 turns of 0.1 s; companions too.
    assert expected_s(runner, 5, run) == pytest.approx(16 * (1.5 + 1.5) + 4 * 1.5)
