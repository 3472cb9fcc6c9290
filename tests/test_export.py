"""The exported file: what it holds, and that it loads back."""

from __future__ import annotations

from pathlib import Path

import pytest

import tuner
from tuner import export
from tuner.errors import StudyConflictError, UsageError
from tuner.summary import summarize
from tuner.worker.protocol import Outcome

from .fakes import recorded, study_record

RUNS = [recorded(0, 10), recorded(1, 4, mode="fast", spin="on", threads=2)]


def test_it_holds_the_changed_knobs_their_variables_and_the_evidence() -> None:
    best = export.best_configuration(summarize(study_record(), RUNS))
    # threads=2 is what unset is; the first call was slow, so one call of warm-up is needed.
    assert best.configuration == {"mode": "fast", "spin": "on", "warmup": 1}
    assert best.environment_variables == {"SPIN": "1"}
    assert (best.verdict, best.evidence.speedup, best.evidence.confirmed) == ("tuned", 2.5, False)
    assert best.evidence.best.latency_ms == 4.0
    assert best.evidence.best.p90_ms is None
    assert best.evidence.best.dispatch_share == 0.5
    assert best.evidence.baseline.throughput_per_s == 100.0
    assert best.read_back == {"threads": "2", "mode": "fast (unverified)"}


def test_nothing_better_is_keep_the_defaults() -> None:
    runs = [recorded(0, 10), recorded(1, 14, mode="fast")]
    best = export.best_configuration(summarize(study_record(), runs))
    assert best.verdict == "keep the defaults"
    assert best.configuration == {"warmup": 1}
    assert best.evidence.speedup == 1.0


def test_a_study_without_a_good_baseline_has_nothing_to_export() -> None:
    runs = [recorded(0, outcome=Outcome.CRASHED)]
    with pytest.raises(StudyConflictError, match="no good run of the baseline"):
        export.best_configuration(summarize(study_record(), runs))


def test_it_loads_back_as_it_was_written(tmp_path: Path) -> None:
    best = export.best_configuration(summarize(study_record(), RUNS))
    export.write(best, tmp_path / "deep" / "best.yaml")
    assert tuner.load_best(tmp_path / "deep" / "best.yaml") == best
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["best.yaml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "not valid YAML"), ("a: 1", "format"), ("- 1", "the file")],
)
def test_another_file_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        export.load(tmp_path / "x.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        export.load(tmp_path / "none.yaml")
