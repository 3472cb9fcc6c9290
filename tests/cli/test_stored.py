"""A finished study through the command line: shown, made again, profiled, exported, extended.

The study is a pretended interpreter's, which a planted knob won twofold (tests/support/studies.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

import tuner
from tests.support.command import npu_tune
from tuner.runs import lease

SHARED = ("study", "verdict", "recommendation", "configuration", "evidence", "environment")
RESUME = ["--resume", "--study", "s", "--quiet"]


def test_what_it_printed_and_what_it_wrote_are_the_same(study: Path) -> None:
    printed = json.loads((study / "stdout.json").read_text())
    written = yaml.safe_load((study / "results" / "s.yaml").read_text())
    assert printed["file"] == "results/s.yaml"
    assert {name: printed[name] for name in SHARED} == {name: written[name] for name in SHARED}


def test_its_file_loads_back_through_the_library(study: Path) -> None:
    best = tuner.load_best(study / "results" / "s.yaml")
    assert (best.study, best.verdict, best.evidence.pairs) == ("s", "faster", 6)
    assert best.configuration["memory_format"] == "channels_last"


def test_it_left_no_folder(study_original: Path) -> None:
    names = sorted(path.name for path in (study_original / "results").iterdir())
    assert names == ["npu-tune.db", "s.yaml"]


@pytest.mark.usefixtures("study")
def test_show_has_a_row_for_each_configuration() -> None:
    text = npu_tune("show", "s").stdout
    assert "defaults" in text
    assert "memory_format=channels_last" in text
    assert "pairs of fresh runs" in text


@pytest.mark.usefixtures("study")
def test_it_says_how_it_was_measured_and_what_can_be_shown(study: Path) -> None:
    noise = json.loads((study / "stdout.json").read_text())["evidence"]["noise"]
    measured = f"measured in turns: {noise['heats']} heats of up to 5, {noise['turns']} turns\n"
    gains = "smallest gain that is shown here 4 times of 5: 8 pairs "
    text = npu_tune("show", "s").stdout
    assert measured in text
    assert gains in text
    assert npu_tune("report", "s").exit_code == 0
    page = (study / "results" / "s.html").read_text()
    assert f"<p>{measured.strip()}</p>" in page
    assert gains in page


@pytest.mark.usefixtures("study")
def test_show_of_a_trial_has_its_turns() -> None:
    text = npu_tune("show", "s", "--trial", "1").stdout
    assert re.search(r"^turns +10, in heat 1 *$", text, re.MULTILINE)
    assert re.search(r"^median of a turn +[\d.]+ … [\d.]+ ms *$", text, re.MULTILINE)
    assert re.search(r"^waited for a processor +0 s in a turn at most, 0 s in all", text, re.M)


@pytest.mark.usefixtures("study")
def test_it_is_shown_in_chinese() -> None:
    assert "基线" in npu_tune("show", "s", "--lang", "zh").stdout


@pytest.mark.usefixtures("study")
def test_show_of_a_trial_has_phases_read_back_and_the_command() -> None:
    text = npu_tune("show", "s", "--trial", "1").stdout
    assert "interpreter" in text
    assert "read back: memory_format" in text
    assert "npu-tune rerun s --trial 1" in text


@pytest.mark.usefixtures("study")
def test_rerun_repeats_a_trial_outside_the_record() -> None:
    before = npu_tune("show", "s").stdout
    done = npu_tune("rerun", "s", "--trial", "1")
    assert done.exit_code == 0, done.output
    alone = "it was measured in turns with others; now it is alone, which may differ"
    assert done.stdout.splitlines()[0] == alone
    outcome, latency = done.stdout.splitlines()[-2:]
    assert (outcome, latency[:9]) == ("outcome: ok", "latency: ")
    assert npu_tune("show", "s").stdout == before


@pytest.mark.usefixtures("study")
def test_rerun_keeps_off_a_device_that_is_being_measured() -> None:
    with lease.held("CPU", "first", None, lambda: False):
        done = npu_tune("rerun", "s", "--trial", "1", "--no-wait")
    assert done.exit_code == 7
    assert "measured by study first" in done.stderr


@pytest.mark.usefixtures("study")
def test_a_winner_is_profiled() -> None:
    done = npu_tune("profile", "s", "--json")
    profiled = json.loads(done.stdout)
    assert (done.exit_code, profiled["diagnosis"]["kind"]) == (0, "operator-bound")
    assert profiled["configuration"]["memory_format"] == "channels_last"


@pytest.mark.usefixtures("study")
def test_profile_takes_one_of_trial_best_and_baseline() -> None:
    done = npu_tune("profile", "s", "--best", "--baseline")
    assert (done.exit_code, len(done.stderr.splitlines())) == (2, 1)
    assert "give one of them" in done.stderr


@pytest.mark.usefixtures("study")
def test_profile_of_a_trial_that_is_not_there_names_those_that_are() -> None:
    done = npu_tune("profile", "s", "--trial", "99")
    assert done.exit_code == 7
    assert "no recorded trial 99; it has 3, from 0 to 2" in done.stderr


@pytest.mark.usefixtures("study")
def test_the_same_name_again_is_a_conflict() -> None:
    done = npu_tune("--model", "m.py:make", "--study", "s")
    assert done.exit_code == 7
    assert "--resume --study s" in done.stderr


@pytest.mark.usefixtures("study")
def test_resume_with_another_option_is_refused() -> None:
    done = npu_tune(*RESUME, "--seed", "5")
    assert done.exit_code == 2
    assert "begun with seed (--seed) 0, not 5" in done.stderr


@pytest.mark.usefixtures("study")
def test_a_finished_study_is_extended() -> None:
    done = npu_tune(*RESUME, "--trials", "4", "--confirm", "off")
    assert done.exit_code == 0, done.output
    assert "4 of 4" in npu_tune("list").stdout


@pytest.mark.usefixtures("study")
def test_what_a_study_won_is_explained_when_it_is_asked_for_later() -> None:
    done = npu_tune(*RESUME, "--ablate", "--json")
    assert done.exit_code == 0, done.output
    ablation = json.loads(done.stdout)["ablation"]
    assert [(finding["knob"], finding["comparison"]["verdict"]) for finding in ablation] == [
        ("memory_format", "faster"), ("allocator", "same"),
    ]  # fmt: skip


@pytest.mark.usefixtures("study")
def test_an_explanation_needs_a_confirmation() -> None:
    assert npu_tune(*RESUME, "--confirm", "off").exit_code == 0
    done = npu_tune(*RESUME, "--ablate")
    assert done.exit_code == 2
    assert "it needs confirm (--confirm) auto or a number of pairs" in done.stderr


def test_every_command_that_is_named_names_the_database(study: Path) -> None:
    (study / "results" / "npu-tune.db").rename(study / "my studies.db")
    url, said = "sqlite:///my studies.db", "--storage 'sqlite:///my studies.db'"
    at = ["--storage", url]
    printed = [
        npu_tune("show", "s", *at).stdout,
        npu_tune("show", "s", "--trial", "1", *at).stdout,
        npu_tune("export", "s", "-o", "again.yaml", *at).stdout + Path("again.yaml").read_text(),
        npu_tune("--model", "m.py:make", "--study", "s", *at).stderr,
    ]
    text = " ".join(" ".join(printed).split())
    hints = re.findall(r"npu-tune (?:show|rerun|export|--resume) s?.*?(?=npu-tune |$)", text)
    assert len(hints) >= 5
    assert [hint for hint in hints if said not in hint] == []
