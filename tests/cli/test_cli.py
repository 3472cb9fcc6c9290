"""The command line: what the documents say of it, and what it says of mistakes."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import npu_tune, process
from tests.support.pretend import Pretend
from tuner.options import DEFAULT_STORAGE
from tuner.runs.store import Store
from tuner.space import file

REFERENCES = ("docs/reference.md", "docs/reference.zh-CN.md")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("reference", REFERENCES)
def test_the_search_space_in_the_reference_loads(reference: str, tmp_path: Path) -> None:
    example = re.search(r"```yaml\n(.*?)```", (ROOT / reference).read_text(), re.DOTALL)
    assert example is not None
    path = tmp_path / "mine.yaml"
    path.write_text(example[1])
    assert [knob.name for knob in file.load(path).space.knobs] == [
        "big_pages",
        "batch_size",
    ]


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        ([], 2, "--model is missing"),
        (["--trials", "0"], 2, "trials (--trials) 0: must be a whole number of at least 1"),
        (["--set", "threads"], 2, "reads KNOB=VALUE"),
        (["--input", "3y4"], 2, "reads like 1x3x224x224"),
        (["--input", "1x3:float31"], 2, "no dtype 'float31'"),
        (["--cpus", "999"], 2, "usable on this host"),
        (["--memory-limit", "lots"], 2, "reads like 4GiB"),
        (["--max-latency-ms", "5"], 2, "objective (--objective) throughput"),
        (["--space", "nosuch"], 2, "no search space 'nosuch'; shipped: cpu"),
        (["--confirm", "²"], 2, "confirm (--confirm) '²': must be auto, off or a number of pairs"),
        (["--confirm", "maybe"], 2, "confirm (--confirm) 'maybe': must be auto"),
        (
            ["--confirm", "off", "--ablate"],
            2,
            "ablate (--ablate) explains a confirmed win: it needs",
        ),
        (["--study", "../x"], 2, "--study ../x"),
        (["--python", "/nonexistent"], 4, "there is no such interpreter"),
        (["--storage", "nonsense"], 8, "check the URL"),
    ],
)
def test_a_wrong_option_is_one_line_and_a_code(args: list[str], code: int, message: str) -> None:
    model = ["--model", "mobilenet_v2"] if args else ["--quiet"]
    done = npu_tune(*model, *args)
    assert (done.exit_code, message in done.stderr) == (code, True), done.output
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_error_is_the_process_s_only_line_and_its_exit_code(folder: Path) -> None:
    done = process(folder, "--model", "m", "--storage", "nonsense")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (8, "", 1)
    assert done.stderr.startswith("npu-tune: storage nonsense: ")


@pytest.mark.parametrize("command", ["show", "export", "profile"])
def test_a_missing_study_is_named(command: str) -> None:
    Store(DEFAULT_STORAGE).close()
    done = npu_tune(command, "nosuch")
    assert done.exit_code == 7
    assert "there is no study 'nosuch'" in done.stderr


def test_list_without_studies_says_how_to_begin_and_makes_nothing(folder: Path) -> None:
    done = process(folder, "list")
    assert (done.returncode, list(folder.iterdir())) == (0, [])
    assert "npu-tune --model mobilenet_v2" in done.stdout


READERS = [
    ["show", "s"],
    ["export", "s"],
    ["report", "s"],
    ["compare", "s", "t"],
    ["rerun", "s", "--trial", "0"],
    ["profile", "s"],
    ["list"],
    ["--resume"],
]


@pytest.mark.parametrize("command", READERS, ids=lambda command: command[0])
def test_a_command_that_reads_names_a_missing_database_and_makes_none(
    command: list[str], folder: Path
) -> None:
    done = npu_tune(*command, "--storage", "sqlite:///deep/typo.db")
    assert done.exit_code == 7
    assert "there is no database sqlite:///deep/typo.db: check --storage and" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(folder.iterdir()) == []


def test_an_interpreter_without_torch_is_an_unfit_environment(folder: Path) -> None:
    (folder / "bare").write_text(f'#!/bin/sh\nexec {sys.executable} -S -I "$@"\n')
    (folder / "bare").chmod(0o755)
    done = npu_tune("--model", "m.py:make", "--python", str(folder / "bare"))
    assert done.exit_code == 4
    assert "has no usable torch" in done.stderr


def test_an_unknown_model_gets_the_nearest_names_and_leaves_no_folder(pretend: Pretend) -> None:
    message = "no model 'mobilnet_v2'; nearest: mobilenet_v2"
    unknown = pretend(failures={"role=probe": {"outcome": "unsupported", "message": message}})
    done = npu_tune("--model", "mobilnet_v2", *unknown)
    assert (done.exit_code, done.stderr) == (2, f"npu-tune: {message}\n")
    assert not Path("results/.work").exists()
