"""`npu-tune noise` through real processes, with a pretended interpreter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import npu_tune
from tests.support.pretend import Pretend
from tuner.options import DEFAULT_STORAGE, from_dict
from tuner.runs.store import Store
from tuner.study import noise
from tuner.worker.protocol import Role

FULL = {"host_peak_bytes": 2**30, "host_free_bytes": 2**30}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user stands, in a hurry: four pairs are enough."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(noise, "MOST", 4)
    return tmp_path


def answer(*options: str) -> tuple[int, dict[str, Any]]:
    done = npu_tune("noise", *options, "--json")
    return done.exit_code, json.loads(done.stdout)


def test_a_quiet_host_shows_small_gains(pretend: Pretend) -> None:
    code, result = answer(*pretend())
    assert (code, result["exit_code"], result["in_turns"]) == (0, 0, True)
    assert (result["study"], result["model"]) == ("noise-mobilenet_v2-1", "mobilenet_v2")
    assert [look["pairs"] for look in result["floor"]["gains"]] == [8, 16, 24]
    assert result["floor"]["values"] == 4
    assert 0.01 < result["floor"]["gains"][2]["gain"] < 0.05


def test_a_busy_host_is_an_exit_code(pretend: Pretend) -> None:
    code, result = answer(*pretend(scatter=5.0))
    assert (code, result["exit_code"]) == (5, 5)
    assert result["floor"]["gains"][2]["gain"] > 1


def test_its_runs_are_a_study_in_heats_of_two_that_is_kept(pretend: Pretend) -> None:
    assert npu_tune("noise", "--model", "m.py:make", *pretend()).exit_code == 0
    store = Store(DEFAULT_STORAGE, create=False)
    (record,), runs = store.studies(), store.runs("noise-m-1")
    setup = from_dict(record.setup)
    assert (setup.heat_size, record.finished_at is not None) == (2, True)
    assert [r.role for r in runs] == [Role.BASELINE] + [Role.HOLD_OUT] * 8
    assert [r.run.spec.heat for r in runs] == [0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert all(r.measurement and len(r.measurement.turns) == 10 for r in runs[1:])


def test_it_says_how_much_the_host_moved_and_what_can_be_shown(pretend: Pretend) -> None:
    lines = npu_tune("noise", *pretend()).stdout.splitlines()
    assert lines[0].endswith("the baseline against itself, about two minutes")
    moved = next(n for n, line in enumerate(lines) if line.startswith("the host moved by "))
    assert ", ratios by " in lines[moved]
    assert lines[moved + 1].startswith("smallest gain that is shown here 4 times of 5: 8 pairs ")
    assert lines[moved + 2] == "measured in turns: 4 heats of two fresh runs of the baseline"
    assert lines[-1] == "every run: npu-tune show noise-mobilenet_v2-1 --trial 0"


def test_where_two_runs_do_not_fit_it_measures_alone_and_says_why(pretend: Pretend) -> None:
    options = pretend(memory=FULL)
    text = npu_tune("noise", *options).stdout
    why = "1.0 GiB free on the host, 1.0 GiB a run"
    assert f"measured alone, 4 pairs of one run after the other: {why}" in text
    runs = Store(DEFAULT_STORAGE, create=False).runs("noise-mobilenet_v2-1")
    assert {r.run.spec.heat for r in runs} == {0}
    code, result = answer(*options)
    assert (code, result["in_turns"]) == (0, False)


def test_show_has_the_floor_too(pretend: Pretend) -> None:
    assert npu_tune("noise", *pretend()).exit_code == 0
    text = npu_tune("show", "noise-mobilenet_v2-1").stdout
    assert "measured in turns: 4 heats of up to 2, 80 turns" in text
    assert "smallest gain that is shown here 4 times of 5: 8 pairs " in text


def test_a_model_that_does_not_run_is_said(pretend: Pretend) -> None:
    done = npu_tune("noise", *pretend(failures={"role=baseline": {"exit": 3, "message": "no"}}))
    assert done.exit_code == 6
    assert "the baseline run ended as crashed" in done.stderr


def test_another_who_measures_is_waited_for_or_not(pretend: Pretend) -> None:
    from tuner.runs import lease

    with lease.held("CPU", "first", None, lambda: False):
        done = npu_tune("noise", *pretend(), "--no-wait")
    assert done.exit_code == 7
