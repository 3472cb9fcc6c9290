"""What is kept does not depend on the language of the day; what is shown does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.support.runs import SPACE, NextRun, confirmed, recorded, study_record
from tuner import language
from tuner.cli.main import main
from tuner.deploy import best
from tuner.diagnose import full
from tuner.errors import TunerError, UsageError
from tuner.evidence.conclude import conclude
from tuner.options import Setup
from tuner.runs import recording
from tuner.runs.recording import Recording
from tuner.runs.store import Store
from tuner.space import model, narrowing
from tuner.space.file import LoadedFile
from tuner.space.schema import KnobEntry
from tuner.study import session
from tuner.study.runner import Caller
from tuner.views.rows import finding
from tuner.worker.facts import ProbeFacts
from tuner.worker.protocol import UNSET, Outcome, Role

ENTRIES = {
    knob.name: KnobEntry(
        why=knob.why,
        apply=knob.apply,  # type: ignore[arg-type]
        default=knob.default,
        values=[value for value in knob.domain if value != UNSET],
        at_most="cpus" if knob.name == "threads" else "",
    )
    for knob in SPACE.knobs
}
SAID = {
    "en": "left out: threads=2, 3, 4: only 1 processors are usable",
    "zh": "略去：threads=2, 3, 4：只有 1 个处理器可用",  # noqa: RUF001
}


def begun_in(spoken: str, folder: Path) -> str:
    """The database of two studies, one of them on a host with a single processor."""
    language.use(spoken)
    loaded, facts = LoadedFile(SPACE, ENTRIES), ProbeFacts("cpu")
    narrowed = narrowing.narrowed(loaded, facts, {"usable_cpus": 1}, allow_lossy=False)
    url = f"sqlite:///{folder / spoken}.db"
    store = Store(url)
    few = replace(study_record(), name="few", space=model.to_dict(narrowed))
    for record in (study_record(Setup("m", trials=2)), few):
        store.create_study(record)
        for run in (recorded(0, 10.0), recorded(1, 4.0, mode="fast")):
            store.record(record.name, run)
    store.close()
    return url


def invoke(*args: str) -> str:
    result = CliRunner().invoke(main, args, catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


def needed(step: NextRun) -> float | Outcome:
    """Both knobs help; without one of them it crashes."""
    if step.role == Role.ABLATION and step.configuration["spin"] == UNSET:
        return Outcome.CRASHED
    fast, spin = step.configuration["mode"] == "fast", step.configuration["spin"] == "on"
    return 10.0 / (1 + fast) / (1 + spin)


def explained() -> best.BestConfiguration:
    """What a study exports whose knob `spin` could not be left out."""
    runs = [recorded(0, 10.0), recorded(1, 2.5, mode="fast", spin="on")]
    summary = confirmed(runs, needed, asked=Setup("m", trials=10, ablate=True))[1]
    return best.best_configuration(conclude(summary), summary.study.setup)


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_a_study_begun_in_chinese_is_shown_in_either_language(spoken: str, tmp_path: Path) -> None:
    url = begun_in("zh", tmp_path)
    assert SAID[spoken] in invoke("show", "few", "--storage", url, "--lang", spoken)


def test_json_does_not_depend_on_the_language(tmp_path: Path) -> None:
    printed = [
        invoke(
            "compare",
            "s",
            "few",
            "--json",
            "--storage",
            begun_in(begun, tmp_path),
            "--lang",
            spoken,
        )
        for begun, spoken in (("en", "en"), ("zh", "zh"))
    ]
    assert printed[0] == printed[1]
    whys = [knob["why"] for knob in json.loads(printed[0])["comparisons"][0]["knobs"]]
    assert {"text": "only {count} processors are usable", "fields": {"count": 1}} in whys


def test_an_exported_file_does_not_depend_on_the_language(tmp_path: Path) -> None:
    for spoken in ("en", "zh"):
        language.use(spoken)
        best.write(explained(), tmp_path / spoken)
    assert (tmp_path / "en").read_bytes() == (tmp_path / "zh").read_bytes()
    (one,) = [one for one in best.load(tmp_path / "zh").ablation if one.knob == "spin"]
    assert finding(one) == "未测量：去掉它：crashed"  # noqa: RUF001


def test_a_file_of_an_earlier_version_has_sentences(tmp_path: Path) -> None:
    best.write(explained(), tmp_path / "new")
    kept = "    text: 'without it: {outcome}'\n    fields:\n      outcome: crashed\n"
    text = (tmp_path / "new").read_text().replace("reason:\n" + kept, "reason: 去掉它 {crashed}\n")
    (tmp_path / "old").write_text(text.replace("reason: null", "reason: ''"))
    reasons = {one.knob: one.reason for one in best.load(tmp_path / "old").ablation}
    assert reasons == {"mode": None, "spin": language.Message("去掉它 {crashed}")}


def test_a_damaged_message_is_refused_in_one_line(tmp_path: Path) -> None:
    best.write(explained(), tmp_path / "new")
    text = (tmp_path / "new").read_text().replace("      outcome: crashed\n", "      x: 1\n")
    (tmp_path / "new").write_text(text)
    with pytest.raises(UsageError, match="does not go with its fields"):
        best.load(tmp_path / "new")


def test_a_full_check_made_in_chinese_reads_in_english(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise TunerError("the device was lost")

    monkeypatch.setattr(session, "tune", fails)
    language.use("zh")
    asked = replace(full.setup("m", {}), python="/nonexistent")
    path = tmp_path / "made.json.gz"
    full.make(asked, path, Caller())
    result = CliRunner().invoke(main, ["doctor", "--read", str(path), "--lang", "en"])
    assert "interpreter: /nonexistent: there is none\n     name one with --python" in result.output
    assert result.output.isascii()


def test_a_full_check_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    said = {"name": "torch", "state": "OK", "seen": "没有 {x}", "todo": ""}
    notes = {"checks": [said], "made_by": "npu-tune 0.1", "stopped": ""}
    recording.write(Recording(None, (), notes), tmp_path / "r")
    found = full.read(tmp_path / "r")
    assert (found.findings[0].seen.text, found.findings[0].todo) == ("没有 {x}", None)
    assert found.stopped is None


def test_an_old_database_with_a_chinese_sentence_shows_it(tmp_path: Path) -> None:
    store, line = Store(f"sqlite:///{tmp_path}/old.db"), "略去：threads=2：只有 1 个处理器"  # noqa: RUF001
    record = study_record()
    store.create_study(replace(record, space={**record.space, "left_out": [line]}))
    store.record("s", recorded(0, 10.0))
    store.close()
    assert line in invoke("show", "s", "--storage", f"sqlite:///{tmp_path}/old.db", "--lang", "en")
