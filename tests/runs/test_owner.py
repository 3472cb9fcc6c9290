"""A study is taken over only from a controller that is shown to be gone."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest

from tuner.errors import StudyConflictError
from tuner.runs import owner


@pytest.mark.parametrize("take_over", [False, True])
def test_a_living_owner_on_this_host_keeps_its_study(take_over: bool) -> None:
    other = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = psutil.Process(other.pid).create_time()
    living = {**owner.this_process(), "pid": other.pid, "started": started}
    with pytest.raises(StudyConflictError, match=f"run by process {other.pid}"):
        owner.require_dead("s", living, take_over)
    other.communicate()
    owner.require_dead("s", living, take_over)


def test_an_owner_that_has_ended_is_gone_although_nobody_has_waited_for_it() -> None:
    other = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    ended = {**owner.this_process(), "pid": other.pid}
    owner.require_dead("s", {**ended, "started": psutil.Process(other.pid).create_time()}, False)
    other.wait()


def test_a_process_number_used_again_is_another_process() -> None:
    owner.require_dead("s", {**owner.this_process(), "started": 1.0}, take_over=False)


def test_an_owner_on_another_host_is_taken_over_only_on_request() -> None:
    elsewhere = {**owner.this_process(), "host": "elsewhere"}
    with pytest.raises(StudyConflictError, match="--take-over"):
        owner.require_dead("s", elsewhere, take_over=False)
    owner.require_dead("s", elsewhere, take_over=True)


def test_a_study_without_owner_is_free() -> None:
    owner.require_dead("s", None, take_over=False)


def test_only_a_living_process_of_this_host_lives() -> None:
    me = owner.this_process()
    assert owner.lives(me)
    assert not owner.lives(None)
    assert not owner.lives({**me, "host": "elsewhere"})
    assert not owner.lives({**me, "started": me["started"] - 100})
