"""The loop with a fake launcher: what is run, recorded and told, and that a crash loses nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tests.support.runs import study_record
from tuner import options as study_options
from tuner.errors import BaselineError, Interrupted, UnfitEnvironmentError
from tuner.evidence.conclude import conclude
from tuner.evidence.summary import CONFIRMATION_ROLES, summarize
from tuner.evidence.verdict import judge
from tuner.options import Setup
from tuner.runs.records import Run, StudyRecord
from tuner.runs.store import Store
from tuner.space import model
from tuner.space.model import Knob, SearchSpace
from tuner.study.loop import Study
from tuner.study.runner import Runner, Silent
from tuner.worker.protocol import Measurement, Outcome, ReadBack, Role, TrialResult, TrialSpec

SPACE = SearchSpace(
    name="test",
    backend="cpu",
    knobs=(
        Knob("mode", "", "model", "unset", ("unset", "fast", "broken"), "execution"),
        Knob("threads", "", "process", "unset", ("unset", 1, 2), "threads"),
        Knob("spin", "", "environment", "unset", ("unset", "on"), ""),
        Knob("warmup", "", "measurement", 10, (5, 10)),
        Knob("batch_size", "", "input", 1, (1, 4)),
    ),
    presets={"known": {"mode": "fast"}},
    rules=(),
)


class FakeLauncher:
    """Answers a spec from a table instead of a process, and remembers what it was asked."""

    def __init__(
        self, outcome: Callable[[TrialSpec], Outcome] | None = None, threads_act: bool = True
    ) -> None:
        self.specs: list[TrialSpec] = []
        self.outcome, self.threads_act = outcome or self.by_mode, threads_act

    @staticmethod
    def by_mode(spec: TrialSpec) -> Outcome:
        return Outcome.CRASHED if value_of(spec, "mode") == "broken" else Outcome.OK

    def __call__(self, spec: TrialSpec) -> Run:
        self.specs.append(spec)
        outcome = self.outcome(spec)
        if spec.role == Role.BASELINE and outcome == Outcome.OK:
            Path(spec.reference_path).touch()
        latency_ns = {"unset": 40, "fast": 10, "broken": 1}[str(value_of(spec, "mode"))] * 10**6
        batch, threads = spec.batch_size or 1, value_of(spec, "threads")
        if threads == "unset" or not self.threads_act:
            threads = 2
        measurement = Measurement([latency_ns], [1], [latency_ns * batch], [10], 2, batch)
        result = TrialResult(
            outcome,
            "why",
            measurement=measurement if outcome == Outcome.OK else None,
            read_back={"threads": ReadBack(threads, True, "torch.get_num_threads()")},
        )
        return Run(spec, result, "log", datetime.now(timezone.utc), 10**9)


def value_of(spec: TrialSpec, knob: str) -> object:
    return next(setting.value for setting in spec.knobs if setting.name == knob)


def make_study(
    store: Store, launch: Callable[[TrialSpec], Run], folder: Path, **options: object
) -> Study:
    asked = replace(Setup("m", trials=16, confirm="off", baseline_runs=1), **options)  # type: ignore[arg-type]
    record = store.study("s")
    if record is None:
        now = datetime.now(timezone.utc)
        frozen, facts = model.to_dict(SPACE), study_record().facts
        record = StudyRecord("s", now, None, study_options.to_dict(asked), frozen, facts, None)
        store.create_study(record)
    record = replace(record, setup=study_options.to_dict(asked))
    return Study(Runner(record, asked, SPACE, store, launch, Silent(), lambda: False, folder))


def optuna_trials(store: Store) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="s", storage=store.optuna_storage()).trials


def test_the_baseline_is_trial_0_and_presets_follow(store: Store, tmp_path: Path) -> None:
    launcher = FakeLauncher()
    make_study(store, launcher, tmp_path).run()
    first, second = launcher.specs[:2]
    assert (first.trial, first.role, first.batch_size) == (0, Role.BASELINE, 1)
    assert {s.value for s in first.knobs if s.name not in ("warmup", "batch_size")} == {"unset"}
    assert (second.trial, second.role, value_of(second, "mode")) == (1, Role.SEARCH, "fast")


def test_the_baseline_is_repeated_first_where_the_noise_is_wanted(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher()
    make_study(store, launcher, tmp_path, trials=2, baseline_runs=4).run()
    assert [(spec.trial, spec.role) for spec in launcher.specs] == [
        *[(0, Role.BASELINE)] * 4,
        (1, Role.SEARCH),
    ]


def test_the_asked_number_of_trials_is_run(store: Store, tmp_path: Path) -> None:
    make_study(store, FakeLauncher(), tmp_path, trials=11).run()
    assert len({recorded.trial for recorded in store.runs("s")}) == 11


def test_every_fourth_trial_is_at_another_batch_size_after_its_baseline(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher()
    make_study(store, launcher, tmp_path).run()
    assert [spec.batch_size for spec in launcher.specs] == [1, 1, 1, 4] * 4
    assert launcher.specs[3].role is Role.BASELINE
    assert launcher.specs[7].role is Role.SEARCH


def test_a_space_within_the_budget_is_enumerated_without_repeats(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher()
    make_study(store, launcher, tmp_path, trials=24).run()
    default = [spec for spec in launcher.specs if spec.batch_size == 1][:12]
    seen = {tuple(value_of(spec, k) for k in ("mode", "threads", "spin")) for spec in default}
    # threads=2 is what unset turned out to be, so 2 x 2 x 2 configurations differ; the mode that
    # fails is tried twice.
    differ = {tuple("unset" if v == 2 else v for v in one) for one in seen}
    assert len({one for one in differ if one[0] != "broken"}) == 8
    assert len({one for one in differ if one[0] == "broken"}) == 2


def test_a_value_that_does_nothing_is_said_and_neither_sampled_again_nor_recommended(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher(threads_act=False)
    notes: list[str] = []
    study = make_study(store, launcher, tmp_path, trials=24)
    study.note = notes.append
    study.run()
    ran = [s for s in launcher.specs if s.batch_size == 1 and value_of(s, "mode") != "broken"]
    assert sum(value_of(spec, "threads") == 1 for spec in ran[:4]) == 1
    line = "threads=1 does nothing here: it reads back as 2 (torch.get_num_threads())"
    assert notes.count(line) == 1
    result = conclude(study.runner.summary())
    assert result.inert == {"threads=1": "2 (torch.get_num_threads())"}
    assert "threads" not in {**result.configuration, **result.evidence.tried}


def test_a_value_that_always_fails_is_left_out_with_its_last_failure(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher()
    notes: list[str] = []
    study = make_study(store, launcher, tmp_path, trials=24)
    study.note = notes.append
    study.run()
    assert sum(value_of(spec, "mode") == "broken" for spec in launcher.specs) < 4
    text = "left out from now on: mode=broken: it failed whenever it was tried: crashed: why"
    assert notes.count(text) == 1
    assert conclude(study.runner.summary()).failing == {"mode=broken": "crashed: why"}


def test_a_failure_of_the_configuration_is_told_as_pruned(store: Store, tmp_path: Path) -> None:
    make_study(store, FakeLauncher(), tmp_path).run()
    failed = {r.trial for r in store.runs("s") if r.run.result.outcome == Outcome.CRASHED}
    states = {t.number: t.state for t in optuna_trials(store)}
    assert failed
    assert {states[number] for number in failed} == {optuna.trial.TrialState.PRUNED}


def test_a_repeat_is_told_the_median_over_all_runs(store: Store, tmp_path: Path) -> None:
    make_study(store, FakeLauncher(), tmp_path, trials=30).run()
    record = store.study("s")
    assert record is not None
    summary = summarize(record, store.runs("s"))
    repeated = [one for one in summary.measured if len(one.runs) > 1 and one.value is not None]
    told = {trial.number: trial.value for trial in optuna_trials(store)}
    assert repeated
    assert all(told[one.trials[-1]] == one.value for one in repeated)


def test_a_failing_baseline_ends_the_study_with_the_command_that_repeats_it(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher(lambda _: Outcome.CRASHED)
    with pytest.raises(BaselineError, match=r"npu-tune rerun s --trial 0"):
        make_study(store, launcher, tmp_path).run()
    assert len(launcher.specs) == 1


def test_three_environment_errors_in_a_row_end_the_study_and_are_no_trials(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher(
        lambda _: Outcome.OK if len(launcher.specs) < 3 else Outcome.ENVIRONMENT_ERROR
    )
    study = make_study(store, launcher, tmp_path)
    with pytest.raises(UnfitEnvironmentError, match="3 runs in a row"):
        study.run()
    assert study.done == 2
    states = [t.state for t in optuna_trials(store)]
    assert states[2:5] == [optuna.trial.TrialState.FAIL] * 3


def test_a_batch_size_whose_baseline_fails_is_not_tried_again(store: Store, tmp_path: Path) -> None:
    launcher = FakeLauncher(
        lambda spec: Outcome.OUT_OF_MEMORY if spec.batch_size == 4 else Outcome.OK
    )
    make_study(store, launcher, tmp_path).run()
    assert Counter(spec.batch_size for spec in launcher.specs)[4] == 1


def test_a_stop_ends_after_the_run_in_hand(store: Store, tmp_path: Path) -> None:
    launcher = FakeLauncher()
    study = make_study(store, launcher, tmp_path)
    study.runner.stop = lambda: len(launcher.specs) == 5
    with pytest.raises(Interrupted):
        study.run()
    assert len(store.runs("s")) == 5


class Killed(BaseException):
    """Stands for kill -9: nothing below may catch it."""


@pytest.mark.parametrize("moment", range(1, 31, 3))
def test_a_study_killed_at_any_moment_resumes_with_nothing_lost_or_doubled(
    moment: int, whole_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def mortal(function: Callable[..., object], after: bool) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            nonlocal calls
            calls += 1
            if calls == moment and not after:
                raise Killed
            result = function(*args, **kwargs)
            if calls == moment:
                raise Killed
            return result

        return wrapper

    launcher = FakeLauncher()
    with monkeypatch.context() as patch:
        patch.setattr(Store, "record", mortal(Store.record, after=moment % 2 == 0))
        patch.setattr(optuna.Study, "ask", mortal(optuna.Study.ask, after=True))
        patch.setattr(optuna.Study, "tell", mortal(optuna.Study.tell, after=False))
        patch.setattr(optuna.Study, "enqueue_trial", mortal(optuna.Study.enqueue_trial, after=True))
        with pytest.raises(Killed):
            make_study(whole_store, launcher, tmp_path, trials=9).run()
    before = [recorded.run.uid for recorded in whole_store.runs("s")]
    make_study(whole_store, launcher, tmp_path, trials=9).run()
    runs = whole_store.runs("s")
    assert [recorded.run.uid for recorded in runs][: len(before)] == before
    assert sorted({r.trial for r in runs}) == [r.trial for r in sorted(runs, key=lambda r: r.trial)]
    assert len(runs) == 9
    states = {t.state for t in optuna_trials(whole_store)}
    assert not states & {optuna.trial.TrialState.RUNNING}


def test_the_search_is_followed_by_its_confirmation(store: Store, tmp_path: Path) -> None:
    launcher = FakeLauncher()
    make_study(store, launcher, tmp_path, confirm="6").run()
    fresh = launcher.specs[16:]
    assert {spec.role for spec in launcher.specs[:16]} == {Role.BASELINE, Role.SEARCH}
    assert [spec.role for spec in fresh[-12:]] == [Role.HOLD_OUT] * 12
    assert {spec.role for spec in fresh[:-12]} == {Role.CONFIRM}
    assert {(spec.after_trials, spec.batch_size, spec.rule.warmup_calls) for spec in fresh} == {
        (16, 1, 10)
    }
    record = store.study("s")
    assert record is not None
    assert judge(summarize(record, store.runs("s"))).verdict == "faster"


@pytest.mark.parametrize("moment", [17, 25, 40])
def test_an_interrupted_confirmation_goes_on(moment: int, store: Store, tmp_path: Path) -> None:
    launcher = FakeLauncher()
    study = make_study(store, launcher, tmp_path, confirm="6")
    study.runner.stop = lambda: len(launcher.specs) == moment
    with pytest.raises(Interrupted):
        study.run()
    make_study(store, launcher, tmp_path, confirm="6").run()
    asked = [(s.role, s.block, s.trial) for s in launcher.specs if s.role in CONFIRMATION_ROLES]
    assert len(launcher.specs) == len(store.runs("s"))
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("moment", [0, 5, 16])
def test_an_interrupted_ablation_goes_on(moment: int, store: Store, tmp_path: Path) -> None:
    def answer(spec: TrialSpec) -> Run:
        # Nothing but both together is fast, so that the winner sets both.
        run, both = launcher(spec), (value_of(spec, "mode"), value_of(spec, "spin"))
        ms = 10 if both == ("fast", "on") else 40
        measured = run.result.measurement and replace(
            run.result.measurement, latency_ns=[ms * 10**6 * (spec.batch_size or 1)]
        )
        return replace(run, result=replace(run.result, measurement=measured))

    launcher, notes = FakeLauncher(), list[str]()
    options: dict[str, object] = {"trials": 24, "confirm": "6", "ablate": True}
    study = make_study(store, answer, tmp_path, **options)
    study.runner.stop = lambda: [s.role for s in launcher.specs].count(Role.ABLATION) == moment + 1
    with pytest.raises(Interrupted):
        study.run()
    again = make_study(store, answer, tmp_path, **options)
    again.note = notes.append
    again.run()
    asked = [
        (s.block, value_of(s, "mode"), value_of(s, "spin"))
        for s in launcher.specs
        if s.role == Role.ABLATION
    ]
    assert len(asked) == len(set(asked)) == 18
    assert len(launcher.specs) == len(store.runs("s"))
    begin = f"why it is faster: {17 - moment} runs, about {17 - moment} s, with one knob"
    assert [note[: len(begin)] for note in notes] == [begin]


def test_a_finished_study_is_confirmed_later_with_a_new_reference(
    store: Store, tmp_path: Path
) -> None:
    make_study(store, FakeLauncher(), tmp_path).run()
    (tmp_path / "outputs-1.pt").unlink()
    launcher = FakeLauncher()
    make_study(store, launcher, tmp_path, confirm="6").run()
    assert (launcher.specs[0].role, launcher.specs[1].role) == (Role.BASELINE, Role.CONFIRM)
    make_study(store, never := FakeLauncher(), tmp_path, confirm="6").run()
    assert never.specs == []


def test_environment_errors_end_a_confirmation_too(store: Store, tmp_path: Path) -> None:
    launcher = FakeLauncher(
        lambda spec: (
            Outcome.ENVIRONMENT_ERROR if spec.role == Role.CONFIRM else FakeLauncher.by_mode(spec)
        )
    )
    with pytest.raises(UnfitEnvironmentError, match="3 runs in a row"):
        make_study(store, launcher, tmp_path, confirm="6").run()
    assert len(launcher.specs) == 19


def test_a_lost_reference_is_made_again_as_a_further_run_of_the_baseline(
    store: Store, tmp_path: Path
) -> None:
    make_study(store, FakeLauncher(), tmp_path, trials=3).run()
    (tmp_path / "outputs-1.pt").unlink()
    launcher = FakeLauncher()
    make_study(store, launcher, tmp_path, trials=4).run()
    assert (launcher.specs[0].trial, launcher.specs[0].role) == (0, Role.BASELINE)
    assert [r.trial for r in store.runs("s")] == [0, 1, 2, 0, 3]


def test_a_stop_ends_between_two_lost_references(store: Store, tmp_path: Path) -> None:
    make_study(store, FakeLauncher(), tmp_path, trials=4).run()
    for path in (tmp_path / "outputs-1.pt", tmp_path / "outputs-4.pt"):
        path.unlink()
    launcher = FakeLauncher()
    study = make_study(store, launcher, tmp_path, trials=5)
    study.runner.stop = lambda: len(launcher.specs) == 1
    with pytest.raises(Interrupted):
        study.run()
    assert len(launcher.specs) == 1


def test_a_resumed_study_tries_a_failed_baseline_again(store: Store, tmp_path: Path) -> None:
    broken = FakeLauncher(lambda _: Outcome.CRASHED)
    for _ in range(2):
        with pytest.raises(BaselineError, match="the baseline run ended as crashed"):
            make_study(store, broken, tmp_path).run()
    assert [(spec.trial, spec.role) for spec in broken.specs] == [(0, Role.BASELINE)] * 2
    mended = FakeLauncher()
    make_study(store, mended, tmp_path, trials=3).run()
    assert [spec.trial for spec in mended.specs] == [0, 1, 2]


def test_the_baseline_runs_five_times_before_the_search_and_its_noise_is_told(
    store: Store, tmp_path: Path
) -> None:
    launcher, told = FakeLauncher(), list[str]()
    study = make_study(store, launcher, tmp_path, trials=3, baseline_runs=Setup("m").baseline_runs)
    study.note = told.append
    study.run()
    assert [spec.trial for spec in launcher.specs] == [0, 0, 0, 0, 0, 1, 2]
    assert told == ["noise: 5 runs of the baseline differ by 0.0%"]


def busy(spec: TrialSpec, busy_s: float) -> Run:
    """A run of 1 s beside which others used the processors for so long."""
    run = FakeLauncher()(spec)
    after = {"monotonic_s": 1.0, "host_busy_s": busy_s + 1.0, "process_cpu_s": 1.0}
    before = dict.fromkeys(after, 0.0)
    seen = replace(run.result, witnesses_before=before, witnesses_after=after)
    return replace(run, result=seen)


def test_a_disturbed_run_is_made_once_more_and_does_not_count(store: Store, tmp_path: Path) -> None:
    specs: list[TrialSpec] = []

    def launch(spec: TrialSpec) -> Run:
        specs.append(spec)
        return busy(spec, busy_s=1.0 if len(specs) in (1, 5) else 0.0)

    make_study(store, launch, tmp_path, trials=4).run()
    assert [spec.trial for spec in specs] == [0, 0, 1, 2, 3, 3]
    record = store.study("s")
    assert record is not None
    summary = summarize(record, store.runs("s"))
    assert summary.baseline is not None
    assert (len(summary.baseline.runs), len(summary.baseline.counted)) == (2, 1)


def test_where_most_runs_are_disturbed_none_is_repeated_any_more(
    store: Store, tmp_path: Path
) -> None:
    specs: list[TrialSpec] = []

    def launch(spec: TrialSpec) -> Run:
        specs.append(spec)
        return busy(spec, busy_s=1.0)

    make_study(store, launch, tmp_path, trials=5).run()
    assert [spec.trial for spec in specs] == [0, 0, 1, 1, 2, 3, 4]


def test_alone_too_what_is_measured_is_told_its_value_and_does_not_count(
    store: Store, tmp_path: Path
) -> None:
    launcher = FakeLauncher(lambda _: Outcome.OK)
    make_study(store, launcher, tmp_path, trials=9, pins={"batch_size": "1"}).run()
    recorded = {r.trial for r in store.runs("s")}
    known = [t for t in optuna_trials(store) if t.number not in recorded]
    assert len(recorded) == 9
    assert {t.state for t in known} <= {TrialState.COMPLETE}
    identities = [
        tuple("unset" if (v := value_of(spec, k)) == 2 else v for k in ("mode", "threads", "spin"))
        for spec in launcher.specs
        if spec.batch_size == 1
    ]
    assert len(set(identities)) == len(identities)
