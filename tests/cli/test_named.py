"""STUDY or BEST.yaml: either is taken where it is enough, and what is missing is said in one line.

The study is a pretended interpreter's (tests/support/studies.py).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tests.support.runs import study_record
from tuner.options import DEFAULT_STORAGE
from tuner.runs.store import Store

FILE = "results/s.yaml"


@pytest.mark.usefixtures("study")
def test_a_study_is_exported_as_its_file_is() -> None:
    for form in ("env", "dockerfile", "python", "yaml"):
        assert npu_tune("export", "s", "--format", form, "-o", "of-study").exit_code == 0
        done = npu_tune("export", FILE, "--format", form, "-o", "of-file")
        assert (done.exit_code, done.stdout) == (0, "written: of-file\n")
        assert Path("of-file").read_text() == Path("of-study").read_text()


def test_a_file_is_exported_where_its_study_is_not(study: Path) -> None:
    (study / "results" / "npu-tune.db").unlink()
    assert npu_tune("export", FILE, "--format", "env", "-o", "s.env").exit_code == 0
    assert npu_tune("export", "s").exit_code == 7


@pytest.mark.usefixtures("study")
def test_a_file_with_a_knob_that_no_search_space_has_is_not_exported_without_it() -> None:
    text = Path(FILE).read_text()
    Path("odd.yaml").write_text(text.replace("  memory_format: channels_last", "  own_knob: 'on'"))
    done = npu_tune("export", "odd.yaml", "--format", "env")
    assert (done.exit_code, done.stderr) == (2, (
        "npu-tune: odd.yaml: no search space here has own_knob: put its file back where it was, or "
        "export the study itself, s\n"
    ))  # fmt: skip
    assert not Path("results/s.env").exists()


@pytest.mark.usefixtures("study")
def test_a_study_is_checked_as_its_file_is(pretend: Pretend) -> None:
    done = npu_tune("check", "s", "--confirm", "6", "--quiet", *pretend("other"))
    assert (done.exit_code, done.stdout.splitlines()[0]) == (
        3, "regression: less than 90% of what it promised",
    )  # fmt: skip


@pytest.mark.parametrize("best", ["s", FILE])
@pytest.mark.usefixtures("study")
def test_a_program_is_started_with_either(best: str, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(os, "execvpe", lambda *given: started.append(given))
    assert npu_tune("run", best, "--", "python", "x.py").exit_code == 0
    ((name, program, environment),) = started
    assert (name, program) == ("python", ("python", "x.py"))
    assert set(environment) >= set(os.environ)


@pytest.mark.parametrize(
    ("command", "reads"),
    [
        (["show", FILE], "one trial in full: npu-tune show s --trial N"),
        (["report", FILE], "written: results/s.html"),
        (["compare", FILE, "s"], "second against first"),
        (["rerun", FILE, "--trial", "0"], "outcome: ok"),
        (["profile", FILE], "operator-bound"),
    ],
)
@pytest.mark.usefixtures("study")
def test_what_needs_the_study_takes_it_of_the_file(command: list[str], reads: str) -> None:
    done = npu_tune(*command)
    assert (done.exit_code, reads in done.stdout) == (0, True), done.output
    assert done.stderr.splitlines()[0] == "results/s.yaml: of study s, which is read"


@pytest.mark.usefixtures("study")
def test_a_study_that_is_not_there_is_said_to_be_more_than_its_file() -> None:
    Path("other.yaml").write_text(Path(FILE).read_text().replace("study: s\n", "study: t\n"))
    for command in (["show"], ["report"], ["compare", "s"], ["profile"], ["rerun", "--trial", "0"]):
        done = npu_tune(*command, "other.yaml")
        assert (done.exit_code, done.stderr) == (7, (
            "npu-tune: other.yaml is of study 't', which is not in sqlite:///results/npu-tune.db, "
            "and more of it is needed than the file holds: name its database with --storage\n"
        )), command  # fmt: skip


@pytest.mark.usefixtures("study")
def test_a_file_that_is_not_there_is_no_study() -> None:
    done = npu_tune("show", "typo.yaml")
    assert (done.exit_code, done.stderr) == (
        2, "npu-tune: typo.yaml: cannot be read: No such file or directory\n",
    )  # fmt: skip


@pytest.mark.usefixtures("study")
def test_a_study_that_is_called_like_a_file_is_one() -> None:
    store = Store(DEFAULT_STORAGE)
    store.create_study(replace(study_record(), name="t.yaml"))
    store.close()
    assert npu_tune("show", "t.yaml").exit_code == 0
    assert npu_tune("delete", "t.yaml", "--yes").stdout == "deleted: study t.yaml, 0 runs\n"
