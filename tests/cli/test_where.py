"""Where a worker runs: the same four options wherever one is started, and they take effect."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tuner.cli.main import main
from tuner.deploy import remeasure
from tuner.errors import UnfitEnvironmentError
from tuner.evidence.summary import Summary
from tuner.options import WHERE, flag

STARTS_WORKERS = ("tune", "check", "compare", "doctor", "profile", "rerun", "noise")
MANY = ["--device", "3", "--env-script", "set.sh", "--launch-prefix", "env A=1"]
OTHER = {"fingerprint": {"emulated_cann": True}}


@pytest.mark.parametrize("name", STARTS_WORKERS)
def test_every_command_that_starts_a_worker_can_be_told_where(name: str) -> None:
    known = {o for p in main.commands[name].params for o in p.opts}
    assert {flag(option) for option in WHERE} <= known


def test_rerun_goes_where_it_is_told(study: Path, pretend: Pretend) -> None:
    (study / "set.sh").write_text("export FROM_SCRIPT=1\n")
    done = npu_tune("rerun", "s", "--trial", "1", *pretend("other"), *MANY)
    assert done.exit_code == 0, done.output
    (command,) = [line for line in done.stdout.splitlines() if line.startswith("env A=1 bash -c")]
    assert f" {study}/set.sh " in command
    assert f" {study.parent}/other -u " in command


@pytest.mark.usefixtures("study")
def test_a_wrong_place_is_refused_as_by_tune() -> None:
    done = npu_tune("rerun", "s", "--trial", "1", "--device", "-1")
    assert (done.exit_code, "device (--device) -1: must be" in done.stderr) == (2, True)


@pytest.mark.usefixtures("study")
def test_profile_goes_where_it_is_told(pretend: Pretend) -> None:
    done = npu_tune("profile", "s", "--json", *pretend("other", **OTHER))
    assert json.loads(done.stdout)["emulated_cann"] is True
    assert json.loads(npu_tune("profile", "s", "--json").stdout)["emulated_cann"] is False


def test_the_doctor_goes_where_it_is_told(
    tmp_path: Path, pretend: Pretend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "set.sh").write_text(f'echo "$A" >> {tmp_path}/sourced\n')
    unfit = {"outcome": "environment_error", "message": "none at that place"}
    options = pretend("other", failures={"role=probe": unfit, "role=locate": unfit})
    done = npu_tune("doctor", "--json", *options, *MANY)
    found = {one["name"]: one["seen"]["text"] for one in json.loads(done.stdout)["checks"]}
    assert (done.exit_code, found["torch"]) == (4, "none at that place")
    assert found["interpreter"] == f"env A=1 {tmp_path}/other"
    assert set((tmp_path / "sourced").read_text().split()) == {"1"}


def test_a_script_that_is_not_there_is_named_by_the_doctor() -> None:
    done = npu_tune("doctor", "--env-script", "/nonexistent/set_env.sh")
    assert (done.exit_code, done.stderr) == (
        4, "npu-tune: --env-script /nonexistent/set_env.sh: cannot be read\n",
    )  # fmt: skip


@pytest.fixture
def sides(study: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is measured again: pairs, then the place of either side."""
    assert study.exists()
    asked: list[Any] = []

    def remeasured(first: Summary, second: Summary, pairs: int, _: Any) -> None:
        asked.append(pairs)
        asked.extend((s.options.python, s.options.device) for s in (first, second))
        raise UnfitEnvironmentError("enough")

    monkeypatch.setattr(remeasure, "remeasure", remeasured)
    return asked


def test_fresh_pairs_go_to_one_place_or_to_one_for_each_study(sides: list[Any]) -> None:
    pairs = ["--remeasure", "--confirm", "6", "--device", "3"]
    assert npu_tune("compare", "s", "s", *pairs, "--python", "a", "--python", "b").exit_code == 4
    assert sides == [6, ("a", 3), ("b", 3)]


def test_a_side_without_a_place_stays_where_it_was(sides: list[Any], study: Path) -> None:
    places = ["--python", "", "--python", "b"]
    assert npu_tune("compare", "s", "s", "--remeasure", *places).exit_code == 4
    assert [python.rpartition("/")[2] for python, _ in sides[1:]] == ["python", "b"]
    assert sides[0] == 8
    assert study.exists()


def test_the_number_of_pairs_as_it_was_called_before(sides: list[Any]) -> None:
    assert npu_tune("compare", "s", "s", "--remeasure", "--pairs", "7").exit_code == 4
    assert sides[0] == 7
    assert "--pairs" not in npu_tune("compare", "--help").output


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--remeasure", *["--python", "a"] * 3], "--python is given 3 times for 2 studies"),
        (["--python", "a"], "where workers run is of --remeasure alone"),
        (["--remeasure", "--confirm", "5"], "--confirm 5: 6 to 1000 pairs make an interval"),
    ],
)
@pytest.mark.usefixtures("study")
def test_a_place_that_means_nothing_is_refused(options: list[str], says: str) -> None:
    done = npu_tune("compare", "s", "s", *options)
    assert (done.exit_code, says in done.stderr) == (2, True), done.output
