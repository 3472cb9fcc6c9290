"""What may be asked of a study that has begun, and where it may be resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from tests.support.runs import BEGAN, SPACE, confirmed, recorded, study_record
from tuner.errors import Interrupted, StudyConflictError, UsageError
from tuner.evidence.pairs import spent
from tuner.evidence.summary import Summary
from tuner.options import Setup
from tuner.runs import unsaved
from tuner.runs.folder import EXPORTS
from tuner.runs.records import StudyFacts
from tuner.runs.store import Store
from tuner.study import session
from tuner.study.loop import Study
from tuner.study.runner import Caller, Runner
from tuner.study.session import find_unfinished, resumed
from tuner.worker.facts import ProbeFacts

SETUP = Setup("m", trials=2, backend="cpu", confirm="off")
SEARCHED = [recorded(0, 10), recorded(1, 5, mode="fast")]


def a_confirmed_study(**options: object) -> Summary:
    asked = Setup("m", trials=2, **options)  # type: ignore[arg-type]
    answers = {True: 5.0, False: 10.0}
    return confirmed(
        SEARCHED, lambda step: answers[bool(SPACE.changed(step.configuration))], asked=asked,
        confirm="auto",
    )[1]  # fmt: skip


def test_another_plan_remembers_what_was_looked_at() -> None:
    summary = a_confirmed_study()
    asked = Setup("m", trials=2, confirm="16")
    assert resumed(asked, summary).spent == spent(summary) == 2 / 2**8
    same = Setup("m", trials=2)
    assert resumed(same, summary) == same


def test_a_longer_search_is_confirmed_anew_with_nothing_spent() -> None:
    asked = Setup("m", trials=3, confirm="16", spent=0.03)
    assert resumed(asked, a_confirmed_study()).spent == 0.0


def test_fewer_trials_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match="has 2 trials already"):
        resumed(Setup("m", trials=1), a_confirmed_study())


def test_another_budget_comes_too_late_once_the_confirmation_has_begun() -> None:
    summary = a_confirmed_study(budget_s=60.0)
    with pytest.raises(UsageError, match="extend it with --trials and more than 2"):
        resumed(Setup("m", trials=40, budget_s=600.0), summary)
    begun = replace(summary, confirmation_runs=())
    assert resumed(Setup("m", trials=40, budget_s=600.0), begun).budget_s == 600.0


BEGUN_IN = {
    "python": "3.11.7", "torch": "2.15.0", "torchvision": "0.30.0", "torch_npu": "2.13.0",
    "openvino": "2026.3", "cann": "8.0.RC1", "driver": "24.1", "soc": "Ascend910B3",
    "processor": "Kunpeng-920", "memory_bytes": 64, "host": "one", "kernel": "5.10",
    "executable": "/one/python",
    "emulated_cann": False, "variables": {"OMP_NUM_THREADS": "4"},
}  # fmt: skip


def begun(folder: Path, monkeypatch: pytest.MonkeyPatch, **now: object) -> Store:
    """A store with a finished study that was begun in BEGUN_IN, where the probe now finds `now`."""
    store = Store(f"sqlite:///{folder}/s.db")
    record = study_record(SETUP)
    store.create_study(replace(record, facts=StudyFacts(ProbeFacts("cpu"), BEGUN_IN)))
    store.update_study("s", finished_at=BEGAN)
    for run in SEARCHED:
        store.record("s", run)
    facts = StudyFacts(ProbeFacts("cpu"), {**BEGUN_IN, **now})
    monkeypatch.setattr(session, "probe", lambda *_: (SPACE, facts))
    monkeypatch.setattr(Study, "run", lambda _: None)
    return store


def resume(folder: Path, monkeypatch: pytest.MonkeyPatch, **now: object) -> list[str]:
    """Resume that study; what is noted."""
    notes: list[str] = []
    store, caller = begun(folder, monkeypatch, **now), Caller(note=notes.append)
    session.resume(SETUP, store, "s", caller, results=folder)
    return notes


@pytest.mark.parametrize(
    ("item", "now"),
    [
        ("torch", "2.16.0"), ("torchvision", "0.31.0"), ("torch_npu", "2.13.0.post1"),
        ("openvino", "2026.4"), ("cann", "8.2.RC1"), ("driver", "25.0"), ("soc", "Ascend310P3"),
        ("python", "3.12.7"),
    ],
)  # fmt: skip
def test_a_study_is_not_resumed_in_another_environment(
    item: str, now: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StudyConflictError) as raised:
        resume(tmp_path, monkeypatch, **{item: now})
    assert str(raised.value) == (
        f"study 's' was begun with {item} {BEGUN_IN[item]}, its environment has {now} now: go back "
        "to that environment to resume it, or start another study; whether its result still holds: "
        "npu-tune check s"
    )


def test_every_other_change_of_the_environment_is_named_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes = resume(
        tmp_path, monkeypatch, python="3.11.9", processor="Kunpeng-930", memory_bytes=128,
        host="two", kernel="5.15", executable="/two/python", variables={},
    )  # fmt: skip
    assert [line for line in notes if line.startswith("warning: ")] == [
        f"warning: {name} was {before!r} when the study began, is {after!r} now"
        for name, before, after in [
            ("python", "3.11.7", "3.11.9"), ("processor", "Kunpeng-920", "Kunpeng-930"),
            ("memory_bytes", "64", "128"), ("host", "one", "two"), ("kernel", "5.10", "5.15"),
            ("OMP_NUM_THREADS", "4", ""),
        ]
    ]  # fmt: skip


def test_a_finished_study_that_is_extended_is_open_until_it_finishes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_: Study) -> None:
        raise Interrupted("")

    store = begun(tmp_path, monkeypatch)
    monkeypatch.setattr(Study, "run", interrupted)
    with pytest.raises(StudyConflictError, match="no unfinished study"):
        find_unfinished(store)
    with pytest.raises(Interrupted):
        session.resume(replace(SETUP, trials=80), store, "s", Caller(), results=tmp_path)
    record = store.study("s")
    assert record is not None
    assert (record.finished_at, record.owner, record.setup["trials"]) == (None, None, 80)
    assert find_unfinished(store) == "s"


def test_a_new_study_needs_a_new_name_before_anything_is_probed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = begun(tmp_path, monkeypatch)
    monkeypatch.setattr(session, "probe", None)
    with pytest.raises(StudyConflictError, match="continue it with npu-tune --resume --study s"):
        session.tune(SETUP, store, "s", Caller(), tmp_path)


def test_what_is_resumed_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = begun(tmp_path, monkeypatch)
    with pytest.raises(StudyConflictError, match="there is no study 't'"):
        session.resume(SETUP, store, "t", Caller(), results=tmp_path)


def test_runs_that_the_database_had_not_taken_are_taken_up_before_a_study_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, notes = begun(tmp_path, monkeypatch), list[str]()
    record = store.study("s")
    assert record is not None
    unsaved._keep(record, [recorded(2, 4, mode="fast")], unsaved.path_of(tmp_path, "s"))
    asked = replace(SETUP, trials=3)
    session.resume(asked, store, "s", Caller(note=notes.append), results=tmp_path)
    assert notes[0] == "measured runs that the database had not taken are in it now: 1"
    assert [run.trial for run in store.runs("s")] == [0, 1, 2]


def test_the_file_of_the_best_engine_is_kept_beside_the_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work, results = tmp_path / "work", tmp_path / "results"
    (work / EXPORTS).mkdir(parents=True)
    results.mkdir()
    (work / EXPORTS / "abc.onnx").write_bytes(b"content")
    runner = cast(Runner, SimpleNamespace(name="s", folder=work, summary=lambda: None))
    for name in ("", "gone.onnx", "abc.onnx"):
        found = SimpleNamespace(exported=name)
        monkeypatch.setattr(session, "conclude", lambda _, found=found: found)
        session.keep_exported(runner, results)
    assert [(path.name, path.read_bytes()) for path in results.iterdir()] == [
        ("s-abc.onnx", b"content")
    ]
