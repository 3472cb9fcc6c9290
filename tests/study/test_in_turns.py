"""The search in heats, answered from a function: what is in a heat, and what is told."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from tests.support.heats import Heats, study_of, value_of
from tuner.errors import Interrupted, UnfitEnvironmentError
from tuner.runs.store import MemoryStore, Store
from tuner.space.model import Knob, SearchSpace
from tuner.study.heats import Entry, make
from tuner.worker.protocol import Outcome, Role, TrialSpec

SPACE = SearchSpace(
    name="test",
    backend="cpu",
    knobs=(
        Knob("mode", "", "model", "unset", ("unset", "fast", "broken"), "execution"),
        Knob("threads", "", "process", "unset", ("unset", 1, 2, 3, 4, 5), "threads"),
        Knob("spin", "", "environment", "unset", ("unset", "on"), ""),
        Knob("warmup", "", "measurement", 10, (5, 10)),
        Knob("batch_size", "", "input", 1, (1, 4)),
    ),
    presets={"known": {"mode": "fast"}},
    rules=(),
)
SMALL = SearchSpace("small", "cpu", (SPACE.knobs[0], SPACE.knobs[3]), {}, ())


def by_mode(spec: TrialSpec) -> float | Outcome:
    """Half the time when fast; as many times as long as its batch is large."""
    if value_of(spec, "mode") == "broken":
        return Outcome.CRASHED
    return (20.0 if value_of(spec, "mode") == "fast" else 40.0) * (spec.batch_size or 1)


def trials_of(store: Store | MemoryStore) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="s", storage=store.optuna_storage()).trials


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    store = MemoryStore()
    trials = store.optuna_storage()
    monkeypatch.setattr(store, "optuna_storage", lambda: trials)
    return store


def roles(specs: list[TrialSpec]) -> str:
    return " ".join(f"{spec.role.value[0]}{spec.batch_size}" for spec in specs)


def test_two_runs_of_the_baseline_are_in_the_first_heat_and_one_in_others(tmp_path: Path) -> None:
    heats = Heats(by_mode)
    study_of(SPACE, heats, tmp_path, trials=16).run()
    assert [spec.role for spec in heats.alone] == [Role.BASELINE]
    assert [roles(specs) for specs, _ in heats.made] == [
        "b1 b1 s1 s1",  # with the companion five
        "b4 s4",  # the first size that the baseline has not run at
        "b1 s1 s1 s1",
        "b1 s1 s1 s1",
        "s4 s4",
        "b1 s1 s1 s1",
    ]
    assert all(numbers == [1] for _, numbers in heats.made)
    assert heats.living == []


def test_no_configuration_stands_twice_in_a_heat_and_each_has_its_trial(
    tmp_path: Path, store: MemoryStore
) -> None:
    heats = Heats(by_mode)
    study_of(SPACE, heats, tmp_path, store, trials=20).run()
    for specs, _ in heats.made:
        configurations = [
            tuple(value_of(spec, knob) for knob in ("mode", "threads", "spin"))
            for spec in specs
            if spec.role == Role.SEARCH
        ]
        assert len(set(configurations)) == len(configurations)
    searched = [r.trial for r in store.runs("s") if r.role == Role.SEARCH]
    assert max(Counter(searched).values()) == 1
    assert len({r.trial for r in store.runs("s")}) == 20


def test_what_is_told_is_the_ratio_times_what_the_baseline_takes(
    tmp_path: Path, store: MemoryStore
) -> None:
    slow = Heats(by_mode, host=lambda number: 1.0 + number)  # each heat on a slower host
    study_of(SPACE, slow, tmp_path, store, trials=9).run()
    runs = {r.trial: r for r in store.runs("s") if r.role == Role.SEARCH}
    told = {t.number: t.value for t in trials_of(store) if t.value is not None}
    fast = [told[n] for n, r in runs.items() if n in told and r.configuration["mode"] == "fast"]
    summary = study_of(SPACE, slow, tmp_path, store, trials=9).runner.summary()
    baseline = summary.baseline
    assert baseline is not None
    assert [summary.speedup(m) for m in summary.measured if m.configuration["mode"] == "fast"]
    at_default = [
        summary.speedup(m)
        for m in summary.measured
        if m.configuration["mode"] == "fast" and m.batch_size == 1
    ]
    assert at_default == pytest.approx([2.0] * len(at_default))
    assert len(fast) >= 2
    assert summary.ruler.spread == pytest.approx(0.0)


def test_trial_0_is_told_what_fresh_runs_say_not_its_own_run(
    tmp_path: Path, store: MemoryStore
) -> None:
    def answer(spec: TrialSpec) -> float | Outcome:
        return 99.0 if not spec.heat else by_mode(spec)

    study_of(SPACE, Heats(answer), tmp_path, store, trials=5).run()
    assert trials_of(store)[0].value == pytest.approx(40.0)


def test_a_configuration_that_is_measured_is_told_its_median_and_does_not_count(
    tmp_path: Path, store: MemoryStore
) -> None:
    def answer(spec: TrialSpec) -> float | Outcome:
        return 20.0 if value_of(spec, "mode") != "unset" else 40.0

    study_of(SMALL, Heats(answer), tmp_path, store, trials=6).run()
    runs = store.runs("s")
    assert len({r.trial for r in runs}) == 6
    recorded = {r.trial for r in runs}
    known = [t for t in trials_of(store) if t.number not in recorded]
    assert known  # three configurations are all there is
    assert {round(t.value, 6) for t in known if t.value is not None} <= {20.0, 40.0}


def test_a_heat_whose_companion_ends_is_made_again_beside_another(
    tmp_path: Path, store: MemoryStore
) -> None:
    heats = Heats(by_mode, lost=[2])
    study_of(SPACE, heats, tmp_path, store, trials=16).run()
    assert [numbers for _, numbers in heats.made][:3] == [[1], [2], [2]]
    runs = store.runs("s")
    assert len({r.run.spec.heat for r in runs}) == len(heats.made) + 1  # and 0: alone
    beside = [r for r in runs if r.role == Role.BASELINE and r.run.spec.companion == 2]
    assert len([r for r in beside if r.configuration == SPACE.baseline()]) >= 3
    assert heats.living == []


def test_a_companion_that_ends_again_and_again_ends_the_study(
    tmp_path: Path, store: MemoryStore
) -> None:
    heats = Heats(by_mode, lost=[1, 1, 1])
    with pytest.raises(UnfitEnvironmentError, match=r"ended 3 times in a row: .*--heat 1"):
        study_of(SPACE, heats, tmp_path, store).run()
    assert [r.run.spec.heat for r in store.runs("s")] == [0]
    assert heats.living == []


def test_a_companion_that_has_moved_overlaps_with_the_next(
    tmp_path: Path, store: MemoryStore
) -> None:
    def answer(spec: TrialSpec) -> float | Outcome:
        worn = spec.role == Role.COMPANION and spec.companion == 1 and spec.heat > 5
        return 50.0 if worn else by_mode(spec)

    heats = Heats(answer)
    study_of(SPACE, heats, tmp_path, store, trials=60).run()
    numbers = [numbers for _, numbers in heats.made]
    both = numbers.index([1, 2])
    assert set(map(tuple, numbers[:both])) == {(1,)}
    assert set(map(tuple, numbers[both + 1 :])) == {(2,)}
    first, second = study_of(SPACE, heats, tmp_path, store).runner.summary().ruler.companions
    assert (first.level, second.error) == (0.0, 0.0)
    assert second.level == pytest.approx(math.log(40 / 50))


def test_what_runs_out_of_memory_in_company_is_made_again_beside_the_companion_alone(
    tmp_path: Path, store: MemoryStore
) -> None:
    crowded: list[int] = []

    def answer(spec: TrialSpec) -> float | Outcome:
        if value_of(spec, "mode") == "fast" and spec.batch_size == 1 and not crowded:
            crowded.append(spec.heat)
            return Outcome.OUT_OF_MEMORY
        return by_mode(spec)

    heats = Heats(answer)
    study_of(SPACE, heats, tmp_path, store, trials=5).run()
    again = heats.made[1]
    assert (roles(again[0]), again[1]) == ("s1", [1])
    assert Outcome.OUT_OF_MEMORY not in {r.outcome for r in store.runs("s")}


def test_of_equal_runs_only_the_one_that_ran_out_of_memory_is_made_again(
    tmp_path: Path, store: MemoryStore
) -> None:
    answers: Iterator[float | Outcome] = iter([10.0, Outcome.OUT_OF_MEMORY, 30.0])
    heats = Heats(lambda _: next(answers))
    runner = study_of(SPACE, heats, tmp_path, store, heat_size=2).runner
    entry = Entry(runner, 0, SPACE.baseline(), Role.HOLD_OUT)
    records = make([entry, entry])
    assert [r.measurement and r.measurement.latency_ns[0] for r in records] == [10**7, 3 * 10**7]
    assert [len(specs) for specs, _ in heats.made] == [2, 1]


def test_a_batch_size_that_the_baseline_cannot_run_at_is_not_searched(
    tmp_path: Path, store: MemoryStore
) -> None:
    def answer(spec: TrialSpec) -> float | Outcome:
        large = spec.role == Role.BASELINE and spec.batch_size == 4
        return Outcome.OUT_OF_MEMORY if large else by_mode(spec)

    study_of(SPACE, Heats(answer), tmp_path, store, trials=12).run()
    large = [r for r in store.runs("s") if r.configuration["batch_size"] == 4]
    assert {r.role for r in large} == {Role.BASELINE}
    assert len({r.trial for r in store.runs("s")}) == 12
    assert {t.state for t in trials_of(store)} == {
        optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED,
    }  # fmt: skip


@pytest.mark.parametrize("after", range(1, 5))
def test_an_interrupted_search_goes_on_and_measures_nothing_twice(
    after: int, tmp_path: Path, store: MemoryStore
) -> None:
    heats = Heats(by_mode)
    with pytest.raises(Interrupted):
        study_of(SPACE, heats, tmp_path, store, lambda: len(heats.made) >= after, trials=14).run()
    assert heats.living == []
    study_of(SPACE, heats, tmp_path, store, trials=14, heat_size=5).run()
    runs = store.runs("s")
    searched = [r.trial for r in runs if r.role == Role.SEARCH]
    assert max(Counter(searched).values()) == 1
    assert len({r.trial for r in runs}) == 14
    assert all(t.state.is_finished() for t in trials_of(store))
    # The second companion is another process: three runs of the baseline tell how it compares.
    assert heats.made[after][1] == [2]
    beside = [r for r in runs if r.role == Role.BASELINE and r.run.spec.companion == 2]
    assert len([r for r in beside if r.configuration == SPACE.baseline()]) >= 3


def test_proposals_of_a_controller_that_died_are_measured_with_it_gone(
    tmp_path: Path, store: MemoryStore
) -> None:
    heats = Heats(by_mode)

    def host(_: int) -> float:
        if len(heats.made) == 2:
            raise KeyboardInterrupt
        return 1.0

    heats.host = host
    with pytest.raises(KeyboardInterrupt):
        study_of(SPACE, heats, tmp_path, store, trials=14).run()
    running = [t.number for t in trials_of(store) if not t.state.is_finished()]
    recorded = {r.trial for r in store.runs("s")}
    assert len(running) == 2
    assert not recorded & set(running)
    heats.host = lambda _: 1.0
    study_of(SPACE, heats, tmp_path, store, trials=14, heat_size=5).run()
    assert set(running) <= {r.trial for r in store.runs("s")}
    assert len({r.trial for r in store.runs("s")}) == 14


@pytest.mark.parametrize("heat", ["2", "3"])
def test_where_only_two_or_three_fit_the_baseline_has_heats_of_its_own(
    heat: str, tmp_path: Path, store: MemoryStore
) -> None:
    heats = Heats(by_mode)
    study_of(SPACE, heats, tmp_path, store, trials=16, heat=heat).run()
    assert {r.role for r in heats.made[0][0]} == {Role.BASELINE}
    assert max(len(specs) for specs, _ in heats.made) == int(heat) - 1
    runs = store.runs("s")
    assert len({r.trial for r in runs}) == 16
    base = [r for r in runs if r.role == Role.BASELINE and r.run.spec.heat]
    assert len([r for r in base if r.configuration == SPACE.baseline()]) >= 5
