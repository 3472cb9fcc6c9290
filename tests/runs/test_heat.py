"""Heats of real processes under the worker's own supervisor; what they measure is pretended."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support import DATA
from tuner.runs import heat
from tuner.runs.heat import MIN_TURNS, CompanionEnded
from tuner.runs.launcher import WORKER, Launcher
from tuner.runs.order import order
from tuner.runs.process import Process, kill_carriers
from tuner.runs.records import Run
from tuner.worker.protocol import KnobSetting, ModelSpec, Outcome, Role, TrialSpec

LOOKS = 500
SPEC = TrialSpec(
    "s", 0, Role.HOLD_OUT, "cpu", ModelSpec("torchvision", "none"), deadline_s=60, heat=1
)


@pytest.fixture
def launcher(tmp_path: Path) -> Launcher:
    variables = {"WORKER_MAIN": str(WORKER)}
    return Launcher(sys.executable, tmp_path / "runs", variables, DATA / "workers" / "turns.py")


def acting(act: str = "", role: Role = Role.HOLD_OUT, **fields: object) -> TrialSpec:
    knobs = [KnobSetting("act", act, "process")] if act else []
    return replace(SPEC, role=role, knobs=knobs, **fields)  # type: ignore[arg-type]


def outcomes(runs: list[Run | None]) -> list[str]:
    return [run.result.outcome.value if run else "dropped" for run in runs]


def processes(launcher: Launcher) -> list[psutil.Process]:
    """The measuring processes of its runs."""
    mark = str(launcher.folder.resolve())
    children = psutil.Process().children(recursive=True)
    return [p for p in children if "--measure" in p.cmdline() and mark in " ".join(p.cmdline())]


def test_everybody_has_as_many_turns_as_are_needed_in_the_order_of_the_rounds(
    launcher: Launcher,
) -> None:
    runs, parts = heat.measure(1, [(launcher, acting())] * 3)
    assert (outcomes(runs), parts) == (["ok"] * 3, [])
    began = []
    for place, run in enumerate(runs):
        assert run is not None
        measurement = run.result.measurement
        assert measurement is not None
        assert measurement.turns == list(range(MIN_TURNS))
        began += [(ns, place) for ns in measurement.turn_started_ns]
    places = [place for turn in range(MIN_TURNS) for place in order(3, turn)]
    assert [place for _, place in sorted(began)] == places
    assert list(launcher.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("act", "outcome", "message"),
    [
        ("crash prepare", Outcome.CRASHED, "ended with exit code 3 and no result"),
        ("crash turn", Outcome.CRASHED, "ended with exit code 3 and no result"),
        ("leave turn", Outcome.CRASHED, "ended with exit code 0 and no result"),
        ("wrong warm", Outcome.WRONG_OUTPUT, "wrong"),
        ("wrong part", Outcome.WRONG_OUTPUT, "wrong"),
        ("hang prepare", Outcome.TIMEOUT, "no result after 1 s"),
        ("hang turn", Outcome.TIMEOUT, "no result after 1 s"),
    ],
)
def test_what_one_run_does_ends_that_run_and_not_the_heat(
    act: str, outcome: Outcome, message: str, launcher: Launcher
) -> None:
    short = acting(act, deadline_s=1.0) if "hang" in act else acting(act)
    runs, _ = heat.measure(1, [(launcher, acting()), (launcher, short), (launcher, acting())])
    assert outcomes(runs) == ["ok", outcome.value, "ok"]
    assert runs[1] is not None
    assert runs[1].result.message.partition(":")[0] == message
    assert kill_carriers([f"{launcher.folder.resolve()}:"]) == 0


@pytest.mark.parametrize("when", ["prepare", "warm"])
def test_what_a_run_leaves_in_the_temporary_folder_goes_with_it(
    when: str, launcher: Launcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    runs, _ = heat.measure(1, [(launcher, acting(f"litter {when}"))])
    assert outcomes(runs) == ["ok"]
    assert list(place.iterdir()) == []


def test_a_companion_hands_over_heat_by_heat(launcher: Launcher) -> None:
    with heat.companion(launcher, acting(role=Role.COMPANION)) as companion:
        for number in (1, 2):
            runs, (part,) = heat.measure(number, [(launcher, acting())], [companion])
            assert outcomes(runs) == ["ok"]
            assert part.spec.heat == number
            assert part.result.measurement is not None
            assert part.result.measurement.turns == list(range(MIN_TURNS))
        pids = [p.pid for p in processes(launcher)]
    assert len(pids) == 1
    assert not psutil.pid_exists(pids[0])


def test_a_heat_without_its_companion_is_none(launcher: Launcher) -> None:
    dying = acting("crash turn", Role.COMPANION)
    with heat.companion(launcher, dying) as companion:
        with pytest.raises(CompanionEnded, match="ended with exit code 3"):
            heat.measure(1, [(launcher, acting())], [companion])
        assert processes(launcher) == []


def test_where_all_runs_fail_there_is_no_part_of_the_companion(launcher: Launcher) -> None:
    with heat.companion(launcher, acting(role=Role.COMPANION)) as companion:
        runs, parts = heat.measure(1, [(launcher, acting("crash warm"))], [companion])
        assert (outcomes(runs), parts) == (["crashed"], [])


def test_what_cannot_be_checked_is_dropped(launcher: Launcher, tmp_path: Path) -> None:
    path = str(tmp_path / "outputs.pt")
    baseline = acting("crash warm", Role.BASELINE, reference_path=path)
    runs, _ = heat.measure(1, [(launcher, acting(reference_path=path)), (launcher, baseline)])
    assert outcomes(runs) == ["dropped", "crashed"]


@pytest.mark.parametrize(("backend", "state"), [("cpu", {"stopped"}), ("npu", {"sleeping"})])
def test_what_waits_is_stopped_on_a_processor_and_blocks_on_an_npu(
    backend: str, state: set[str], launcher: Launcher
) -> None:
    seen: list[set[str]] = []

    def look() -> None:
        """Once, or until what has just answered has come to its read."""
        for _ in range(LOOKS):
            seen.append({process.status() for process in processes(launcher)})
            if seen[-1] == state:
                return
            time.sleep(0.01)

    heat.measure(1, [(launcher, acting(backend=backend))] * 2, tell=after(3, look))
    assert seen[-1] == state


def after(turn: int, do: Callable[[], object]) -> heat.Tell:
    """Does something before the turns of that number."""

    def tell(phase: str, number: int) -> None:
        if (phase, number) == ("turn", turn):
            do()

    return tell


def test_a_killed_measuring_process_is_named_and_a_killed_supervisor_too(
    launcher: Launcher,
) -> None:
    def kill_measuring() -> None:
        os.kill(min(p.pid for p in processes(launcher)), signal.SIGKILL)

    runs, _ = heat.measure(1, [(launcher, acting())] * 2, tell=after(3, kill_measuring))
    assert sorted(outcomes(runs)) == ["crashed", "ok"]

    def kill_supervisor() -> None:
        os.kill(min(p.ppid() for p in processes(launcher)), signal.SIGKILL)

    runs, _ = heat.measure(1, [(launcher, acting())] * 2, tell=after(3, kill_supervisor))
    assert sorted(outcomes(runs)) == ["crashed", "ok"]
    assert processes(launcher) == []


def test_an_interrupt_leaves_nothing_that_is_stopped(launcher: Launcher) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        heat.measure(1, [(launcher, acting())] * 3, tell=after(2, interrupt))
    assert processes(launcher) == []
    assert kill_carriers([f"{launcher.folder.resolve()}:"]) == 0


def test_what_is_no_answer_is_in_the_log(launcher: Launcher) -> None:
    runs, _ = heat.measure(1, [(launcher, acting("crash turn")), (launcher, acting())])
    assert runs[0] is not None
    assert sorted(runs[0].log_tail.splitlines()) == ["a banner", "a greeting", "last words"]


def test_what_changes_how_the_model_is_executed_prepares_first(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[int] = []
    start = Launcher.start

    def watched(self: Launcher, spec: TrialSpec, folder: Path) -> Process:
        began.append(spec.trial)
        return start(self, spec, folder)

    monkeypatch.setattr(Launcher, "start", watched)
    compiled = KnobSetting("execution", "inductor", "model", "execution")
    unset = KnobSetting("execution", "unset", "model", "execution")
    knobs = [[], [unset], [compiled], [KnobSetting("threads", 1, "process")], [compiled]]
    specs = [replace(SPEC, trial=trial, knobs=own) for trial, own in enumerate(knobs)]
    runs, _ = heat.measure(1, [(launcher, spec) for spec in specs])
    assert (began, outcomes(runs)) == ([2, 4, 0, 1, 3], ["ok"] * 5)
