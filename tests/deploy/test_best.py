"""The exported file: what it holds, and that it loads back."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import tuner
from tests.support.runs import recorded, study_record
from tuner.deploy import best as best_file
from tuner.deploy import check
from tuner.errors import UsageError
from tuner.evidence.ablation import KnobFinding, Minimal
from tuner.evidence.conclude import conclude
from tuner.evidence.intervals import Comparison, Interval
from tuner.evidence.summary import summarize
from tuner.language import Message
from tuner.options import Setup
from tuner.worker.protocol import ReadBack

RUNS = [recorded(0, 10), recorded(1, 4, mode="fast", spin="on", threads=2)]


def test_it_holds_configuration_variables_read_back_and_evidence() -> None:
    found = conclude(summarize(study_record(), RUNS))
    best = best_file.best_configuration(found, study_record().setup)
    assert best.configuration == {"mode": "fast", "spin": "on", "warmup": 1}
    assert best.environment_variables == {"SPIN": "1"}
    assert best.read_back == {"mode": "fast (unverified)", "spin": " (unverified)"}
    assert best.evidence == found.evidence
    assert best.evidence.best.p90_ms is None
    assert best.evidence.baseline.throughput_per_s == 100.0


def test_a_knob_that_did_nothing_in_the_winners_own_runs_is_not_recommended() -> None:
    winner = recorded(1, 4, mode="fast", threads=1)
    back = {"threads": ReadBack(2, True, "torch.get_num_threads()")}
    result = replace(winner.run.result, read_back=back)
    acts_elsewhere = recorded(2, 9, threads=1)
    runs = [RUNS[0], replace(winner, run=replace(winner.run, result=result)), acts_elsewhere]
    found = conclude(summarize(study_record(), runs))
    assert (found.configuration, found.inert) == ({"mode": "fast", "warmup": 1}, {})


def test_it_loads_back_as_it_was_written(tmp_path: Path) -> None:
    best = best_file.best_configuration(
        conclude(summarize(study_record(), RUNS)), study_record().setup
    )
    best_file.write(best, tmp_path / "deep" / "best.yaml")
    assert tuner.load_best(tmp_path / "deep" / "best.yaml") == best
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["best.yaml"]


def test_the_users_own_judgement_goes_with_the_file_and_an_older_one_has_none(
    tmp_path: Path,
) -> None:
    path, asked = tmp_path / "best.yaml", study_record(Setup("m", trials=10, compare="m.py:same"))
    best = best_file.best_configuration(conclude(summarize(asked, RUNS)), asked.setup)
    best_file.write(best, path)
    measured_with = best_file.load(path).measured_with
    assert measured_with is not None
    assert check.setup_of(best, "best.yaml", {}).compare == measured_with.compare == "m.py:same"
    text = path.read_text()
    path.write_text(text.replace("  compare: m.py:same\n", ""))
    assert path.read_text() != text
    older = best_file.load(path).measured_with
    assert older is not None
    assert older.compare == ""


INTERVAL = {"low": 1.9, "high": 2.1, "coverage": 0.9688, "smallest_effect": 1.05}
FIGURES = {"verdict": "faster", "speedup": 2.0, "interval": INTERVAL}
NOT_MEASURED = {"verdict": "not confirmed", "speedup": None, "interval": None}
HELPS = Comparison("faster", 2.0, Interval(1.9, 2.1, 0.9688, 1.05), (6, 6))


def of_version_0_1(folder: Path, **fields: Any) -> best_file.BestConfiguration:
    """What is loaded of a file that has these fields instead."""
    best = best_file.best_configuration(
        conclude(summarize(study_record(), RUNS)), study_record().setup
    )
    text = yaml.safe_dump({**best.model_dump(mode="json"), **fields})
    (folder / "old.yaml").write_text(text)
    return best_file.load(folder / "old.yaml")


def test_an_ablation_of_version_0_1_is_read(tmp_path: Path) -> None:
    mode = {"knob": "mode", "value": "fast", **FIGURES, "reason": ""}
    spin = {"knob": "spin", "value": "on", **NOT_MEASURED, "reason": "without it: crashed"}
    assert of_version_0_1(tmp_path, ablation=[mode, spin]).ablation == (
        KnobFinding("mode", "fast", HELPS),
        KnobFinding("spin", "on", None, Message("without it: crashed")),
    )


def test_a_single_knob_of_version_0_1_has_the_pairs_of_the_hold_out(tmp_path: Path) -> None:
    knob = {"knob": "mode", "value": "fast", **FIGURES, "reason": None}
    evidence = {**asdict(conclude(summarize(study_record(), RUNS)).evidence), "pairs": 16}
    best = of_version_0_1(tmp_path, ablation=[knob], evidence=json.loads(json.dumps(evidence)))
    assert best.ablation == (KnobFinding("mode", "fast", replace(HELPS, runs=(16, 16))),)


def test_a_smaller_configuration_of_version_0_1_is_read(tmp_path: Path) -> None:
    sides = {"over_baseline": {**FIGURES, "blocks": 6}, "over_winner": {**FIGURES, "blocks": 6}}
    smaller = {"configuration": {"mode": "fast"}, "dropped": ["spin"], **sides}
    best = of_version_0_1(tmp_path, minimal=smaller)
    assert best.minimal == Minimal({"mode": "fast"}, ("spin",), HELPS, HELPS)


def test_where_no_run_settled_no_warm_up_is_invented(tmp_path: Path) -> None:
    drifting = list(range(1_000_000, 4_000_000, 30_000))
    best = RUNS[1].run.result
    assert best.measurement is not None
    measured = replace(best.measurement, latency_ns=drifting, dispatch_ns=drifting)
    run = replace(RUNS[1].run, result=replace(best, measurement=measured))
    found = conclude(summarize(study_record(), [RUNS[0], replace(RUNS[1], run=run)]))
    one = best_file.best_configuration(found, study_record().setup)
    assert one.configuration == {"mode": "fast", "spin": "on"}
    assert (one.evidence.best.unsteady, one.evidence.baseline.unsteady) == (1, 0)
    best_file.write(one, tmp_path / "best.yaml")
    assert "# warmup: none is given, no run of this" in (tmp_path / "best.yaml").read_text()
    assert best_file.load(tmp_path / "best.yaml") == one


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "real.env").write_text("old")
    (tmp_path / "link.env").symlink_to("real.env")
    best_file.write_text("new", tmp_path / "link.env")
    assert (tmp_path / "link.env").is_symlink()
    assert (tmp_path / "real.env").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    best_file.write_text("through", tmp_path / "pipe")
    assert os.read(reader, 99) == b"through"
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/x\.env: cannot be written: "):
        best_file.write_text("", tmp_path / "file" / "x.env")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "not valid YAML"),
        ("a: 2024-99-99", "not valid YAML: month"),
        ("a: 1", "format"),
        ("- 1", "the file"),
    ],
)
def test_another_file_is_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(UsageError, match=message):
        best_file.load(tmp_path / "x.yaml")
    with pytest.raises(UsageError, match="cannot be read"):
        best_file.load(tmp_path / "none.yaml")
