"""A study on recorded runs: what is drawn, what the truth is, and what may be changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import optuna
import pytest

from tests.support.in_heats import in_heat
from tests.support.runs import BEGAN, SPACE, recorded, study_record
from tuner import replay_study
from tuner.errors import UsageError
from tuner.evidence.world import World, world
from tuner.options import Setup
from tuner.runs import recording
from tuner.runs.launcher import Launcher
from tuner.runs.recording import Recording
from tuner.runs.records import RecordedRun, StudyRecord
from tuner.space.model import Configuration
from tuner.study.replay import Replay, only_recorded, replay, replayed
from tuner.worker.protocol import UNSET, ModelSpec, Outcome, Role, TrialSpec

LEVELS_MS = {(): 10.0, ("mode",): 5.0, ("spin",): 9.0, ("mode", "spin"): 4.0}
ASKED = Setup("m", trials=10, confirm="8", baseline_runs=2)
OF_FOUR = math.sqrt(4 / 3)  # a rest is wider than it looks where so few runs make the level
LAUNCHER = Launcher("", Path("/nowhere"))


def trial_spec(configuration: Configuration) -> TrialSpec:
    knobs = SPACE.settings(configuration)
    return TrialSpec("study", 0, Role.SEARCH, "cpu", ModelSpec("torchvision", "m"), knobs)


def rounds(drift: Callable[[int], float] = lambda _: 1.0) -> list[RecordedRun]:
    """Four configurations in four rounds; the k-th run is `drift(k)` times its level."""
    runs = []
    for number in range(16):
        trial = number % 4
        knobs = [{}, {"mode": "fast"}, {"spin": "on"}, {"mode": "fast", "spin": "on"}][trial]
        one = recorded(trial, LEVELS_MS[tuple(knobs)] * drift(number), Outcome.OK, None, **knobs)
        when = BEGAN + timedelta(seconds=number)
        runs.append(replace(one, run=replace(one.run, started_at=when, uid=str(number))))
    return runs


def of(runs: list[RecordedRun]) -> World:
    return world(study_record(ASKED), runs)


def test_the_truth_is_the_level_without_drift() -> None:
    steady, drifting = of(rounds()), of(rounds(lambda k: 1.0 + 0.01 * k))
    fast = {**SPACE.baseline(), "mode": "fast"}
    assert steady.log_speedup(fast, SPACE.baseline()) == pytest.approx(math.log(2))
    assert drifting.log_speedup(fast, SPACE.baseline()) == pytest.approx(math.log(2), abs=0.01)


def test_drift_is_what_neighbours_have_in_common_and_a_spike_is_not() -> None:
    spiked = of(rounds(lambda k: 3.0 if k == 9 else 1.0))
    assert max(spiked.drift) == pytest.approx(0.0, abs=1e-6)
    rests = [part.rest for part in spiked.parts[spiked.key({**SPACE.baseline(), "mode": "fast"})]]
    assert sorted(rests)[-1] == pytest.approx(OF_FOUR * math.log(3), abs=1e-6)


def test_a_drawn_run_is_a_recorded_one_of_that_configuration() -> None:
    launch = Replay(of(rounds()), seed=1)
    drawn = [launch.draw({**SPACE.baseline(), "spin": "on"}) for _ in range(9)]
    assert {run.result.measurement.latency_ns[0] for run in drawn if run.result.measurement} == {
        9_000_000
    }
    assert len({run.uid for run in drawn}) == 9


def test_noise_is_a_factor_on_what_scatters() -> None:
    spiked = of(rounds(lambda k: 3.0 if k == 8 else 1.0))  # a run of the baseline
    spike = OF_FOUR * math.log(3)
    for noise, expected in ((0.0, 0.0), (0.5, spike / 2), (2.0, 2 * spike)):
        launch = Replay(spiked, seed=0, noise=noise)
        runs = [launch.draw(SPACE.baseline()) for _ in range(40)]
        logs = [math.log(r.result.measurement.latency_ns[0]) for r in runs if r.result.measurement]
        assert max(logs) - min(logs) == pytest.approx(expected, abs=1e-5)


def test_what_failed_fails_again_and_what_was_not_recorded_is_not_proposed() -> None:
    failed = recorded(4, outcome=Outcome.CRASHED, threads=1)
    found = of([*rounds(), failed])
    summary = replayed(study_record(ASKED), found, Replay(found, 0), ASKED)
    seen = {str(SPACE.changed(one.configuration)): one.outcome for one in summary.measured}
    assert len(seen) <= 5
    assert seen.get("{'threads': 1}", Outcome.CRASHED) == Outcome.CRASHED
    assert summary.trials_done == 10


def test_a_whole_study_ends_in_the_true_verdict(tmp_path: Path) -> None:
    path = tmp_path / "study.jsonl.gz"
    recording.write(Recording(study_record(ASKED), tuple(rounds())), path)
    found = replay_study(path)
    assert (found.verdict, found.configuration) == (
        "faster",
        {"mode": "fast", "spin": "on", "warmup": 1},
    )
    assert found.evidence.speedup == pytest.approx(2.5, abs=1e-3)
    planned = study_record(replace(ASKED, confirm="auto", target_effect=0.05, budget_s=60.0))
    recording.write(Recording(planned, tuple(rounds())), path)
    fewer = replay_study(path, trials=4, confirm="off")
    assert (fewer.trials, fewer.verdict) == (4, "not confirmed")


def test_another_sampler_is_asked() -> None:
    seeds: list[int] = []

    def sampler(seed: int) -> optuna.samplers.BaseSampler:
        seeds.append(seed)
        return optuna.samplers.RandomSampler(seed=seed)

    found = of(rounds())
    summary = replayed(study_record(ASKED), found, Replay(found, 0), ASKED, sampler)
    assert len(seeds) >= 10
    assert len([r for one in summary.measured for r in one.runs]) == 11
    roles = {r.run.spec.role for r in summary.confirmation_runs}
    assert roles == {Role.CONFIRM, Role.HOLD_OUT}


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(b"x")
    with pytest.raises(UsageError, match="no recording of npu-tune"):
        replay_study(tmp_path / "x.gz")


def test_a_preset_that_was_not_recorded_is_left_out() -> None:
    presets: dict[str, Configuration] = {"known": {"mode": "fast"}, "never": {"threads": 1}}
    found = of(rounds())
    found = replace(found, space=replace(found.space, presets=presets))
    assert list(only_recorded(found).presets) == ["known"]


def test_an_ablation_is_not_replayed_because_its_configurations_were_not_recorded() -> None:
    asked = replace(study_record(ASKED), setup={**study_record(ASKED).setup, "ablate": True})
    assert replay(asked, rounds()).ablation == ()


def test_a_study_without_a_good_run_cannot_be_replayed() -> None:
    with pytest.raises(UsageError, match="no good run"):
        world(study_record(ASKED), [recorded(0, outcome=Outcome.ENVIRONMENT_ERROR)])


def in_heats(count: int, host: Callable[[int], float] = lambda _: 1.0) -> list[RecordedRun]:
    """Heats of a companion and the four configurations; the baseline's first run is alone."""
    runs = [recorded(0, 10.0, Outcome.OK, None)]
    for number in range(1, count + 1):
        factor = host(number)
        runs.append(in_heat(number, [12.0 * factor] * 2, Role.COMPANION))
        for trial, (names, ms) in enumerate(LEVELS_MS.items()):
            values = {name: {"mode": "fast", "spin": "on"}[name] for name in names}
            knobs = {**SPACE.baseline(), **values}
            times = [ms * factor] * 2
            role = Role.SEARCH if trial else Role.BASELINE
            run = in_heat(number, times, role, trial=trial)
            runs.append(replace(run, configuration=knobs))
    return [replace(r, run=replace(r.run, uid=str(n))) for n, r in enumerate(runs)]


def in_turns(size: int = 5) -> StudyRecord:
    return study_record(replace(ASKED, heat_size=size))


def test_what_a_heat_has_in_common_is_the_host_and_not_the_configurations() -> None:
    source = world(in_turns(), in_heats(6, lambda number: 3.0 if number == 4 else 1.0))
    assert source.drift == pytest.approx([0, 0, 0, math.log(3), 0, 0])
    rests = [part.rest for parts in source.parts.values() for part in parts]
    assert rests == pytest.approx([0.0] * 24)
    fast = {**SPACE.baseline(), "mode": "fast"}
    assert source.log_speedup(fast, SPACE.baseline()) == pytest.approx(math.log(2))
    assert source.truth(SPACE.baseline()) == pytest.approx(math.log(10))


def test_a_run_off_its_level_in_one_heat_is_a_rest_wider_by_what_heat_and_level_took_of_it() -> (
    None
):
    runs = in_heats(5)
    runs[12] = replace(in_heat(3, [20.0] * 2), trial=0)
    parts = world(in_turns(), runs).parts
    rests = sorted(part.rest for own in parts.values() for part in own)
    assert rests[-1] == pytest.approx(
        math.log(2) * math.sqrt(5 / 4) ** 2
    )  # of the heat and of five
    assert rests[:-1] == pytest.approx([0.0] * 19)


def test_a_drawn_heat_has_one_drift_and_its_companion_is_one_process() -> None:
    source = world(in_turns(), in_heats(4, float))
    heats = Replay(source, seed=1)
    base, fast = (trial_spec({**SPACE.baseline(), "mode": mode}) for mode in (UNSET, "fast"))
    ratios, hosts = set(), set()
    with heats.companion(LAUNCHER, replace(base, role=Role.COMPANION, companion=1)) as companion:
        for number in range(1, 5):
            wanted = [(LAUNCHER, base), (LAUNCHER, fast)]
            runs, parts = heats.measure(number, wanted, [companion])
            own = [m for run in (*runs, *parts) if run and (m := run.result.measurement)]
            ratios.add(tuple(round(source.objective.log_ratio(m, own[0]), 3) for m in own))
            hosts.add(round(source.objective.of(own[0]), 2))
    assert ratios == {(0.0, round(-math.log(2), 3), 0.0)}
    assert len(hosts) == 4


def test_a_study_in_turns_is_replayed_in_turns_and_its_companion_answers_for_nobody() -> None:
    source = world(in_turns(), in_heats(4))
    assert source.parts.keys() == of(rounds()).parts.keys()
    result = replay(in_turns(), in_heats(4))
    assert (result.verdict, result.evidence.noise.in_turns) == ("faster", True)
    assert result.evidence.speedup == pytest.approx(2.5, abs=1e-3)
    alone = replay(in_turns(), in_heats(4), heat="1")
    assert (alone.verdict, alone.evidence.noise.in_turns) == ("faster", False)


def test_what_was_recorded_alone_is_replayed_alone() -> None:
    assert not replay(study_record(ASKED), rounds(), heat="5").evidence.noise.in_turns
