"""A study in one file that can be sent: it loads back, and names nobody."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.runs import recorded, study_record
from tuner.diagnose import doctor, full
from tuner.diagnose.host import Finding
from tuner.errors import TunerError, UsageError
from tuner.evidence.verdict import against_itself
from tuner.language import Message
from tuner.runs import recording
from tuner.runs.recording import Recording
from tuner.runs.store import Store
from tuner.study import session
from tuner.study.runner import Caller
from tuner.views.doctor import self_check
from tuner.worker.facts import Convolutions

FINDINGS = [
    Finding("torch", "OK", Message("2.7.1")),
    Finding("governor", "WARN", Message("powersave"), Message("as root: {it}", {"it": "x"})),
]


def test_what_is_written_loads_back(tmp_path: Path) -> None:
    disturbed = replace(recorded(0, 40.0), disturbed=("steal",))
    study = Recording(study_record(), (disturbed, recorded(1, 10.0, mode="fast")), {"a": 1})
    recording.write(study, tmp_path / "r.json.gz", {})
    assert recording.read(tmp_path / "r.json.gz") == study


def test_recordings_of_the_version_before_load_with_their_facts() -> None:
    old = recording.read(ROOT / "benchmarks" / "recordings" / "npu-emulated.jsonl.gz")
    assert old.study is not None
    assert old.study.facts.probe.inputs == ["1x3x224x224:float32"]
    assert old.study.facts.fingerprint["soc"] == "Ascend910B3"
    paths = {run.run.result.convolutions for run in old.runs}
    assert paths == {
        Convolutions("aclop", "52 Conv2D"),
        Convolutions("aclnn", "52 aclnnConvolution"),
    }


def test_names_of_host_user_and_folder_are_replaced(tmp_path: Path) -> None:
    run = recorded(0, 40.0)
    log = "at node17: /home/ann/models/net.py, from 10.1.2.3; ann-marie, node171"
    run = replace(run, run=replace(run.run, log_tail=log))
    hidden = {"node17": "HOST", "/home/ann": "~", "ann": "USER", "trial": "USER", "ok": "USER"}
    recording.write(Recording(None, (run,)), tmp_path / "r.json.gz", hidden)
    tail = recording.read(tmp_path / "r.json.gz").runs[0].run.log_tail
    assert tail == "at HOST: ~/models/net.py, from ADDRESS; ann-marie, node171"


def test_nothing_of_this_host_is_left_in_a_file(tmp_path: Path) -> None:
    run = recorded(0, 40.0)
    names = recording.private_names()
    run = replace(run, run=replace(run.run, log_tail=" ".join(names)))
    recording.write(Recording(None, (run,)), tmp_path / "r.json.gz")
    text = gzip.decompress((tmp_path / "r.json.gz").read_bytes()).decode()
    assert [name for name in names if name in text.split()] == []


def test_the_key_of_a_translation_is_no_name(tmp_path: Path) -> None:
    message = {"text": "{count} usable at ann", "fields": {"count": "of ann"}}
    recording.write(Recording(None, (), {"a": message}), tmp_path / "r", {"ann": "U", "count": "U"})
    assert recording.read(tmp_path / "r").notes["a"] == {**message, "fields": {"count": "of U"}}


DAMAGED = gzip.compress(b"[]" * 500)[:20] + b"damage" * 9


@pytest.mark.parametrize(
    "body",
    [b"", b"no gzip", gzip.compress(b"{}"), gzip.compress(b"[1]\n2"), DAMAGED],
    ids=["empty", "no gzip", "no lines", "no objects", "damaged"],
)
def test_another_file_is_refused_in_one_line(body: bytes, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(body)
    with pytest.raises(UsageError, match="no recording of npu-tune"):
        recording.read(tmp_path / "r")


def test_a_configuration_against_itself() -> None:
    values = [10.0, 10.05, 10.02, 10.0, 9.99, 10.0, 10.0, 10.01, 10.03, 10.0, 10.0, 9.98]
    comparison = against_itself(values)
    assert comparison is not None
    assert comparison.interval is not None
    assert (comparison.verdict, comparison.interval.low, comparison.interval.high) == (
        "same",
        0.995,
        1.003,
    )
    assert against_itself(values[:11]) is None


@pytest.mark.parametrize("error", [None, TunerError("the device was lost")])
def test_a_full_check_keeps_what_it_has_whatever_happens(
    error: TunerError | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tune(_asked: object, store: Store, name: str, *_: object, **__: object) -> None:
        store.create_study(replace(study_record(), name=name))
        for latency_ms in [40.0] * 13:
            store.record(name, recorded(0, latency_ms))
        store.record(name, recorded(1, 10.0, mode="fast"))
        if error:
            raise error

    monkeypatch.setattr(session, "tune", tune)

    def fails(*_: object, **__: object) -> None:
        raise TunerError("no profiler")

    monkeypatch.setattr(doctor, "examine", lambda **_: FINDINGS)
    monkeypatch.setattr(full, "profile", fails)
    path = tmp_path / "full.json.gz"
    setup = full.setup("m", {})
    check = full.make(setup, path, Caller())
    assert list(check.findings) == FINDINGS
    assert check.stopped == Message("the device was lost" if error else "no profiler")
    assert check == full.read(path)
    assert check.recording.study is not None
    line = self_check(check)
    assert line.startswith("A/A check, the baseline against itself in 6 pairs: same, 1.000x")
    assert [row["latency_ms"] for row in check.to_dict()["measured"]] == [10.0, 40.0]
