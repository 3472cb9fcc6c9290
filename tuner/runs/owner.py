"""Which controller runs a study, and whether it still lives."""

from __future__ import annotations

import platform
from typing import Any

import psutil

from ..errors import StudyConflictError

CREATE_TIME_TOLERANCE_S = 1.0


def this_process() -> dict[str, Any]:
    """Host, process and its start time: a process number alone is soon used again."""
    process = psutil.Process()
    return {
        "host": platform.node(),
        "pid": process.pid,
        "started": process.create_time(),
    }


def require_dead(study: str, owner: dict[str, Any] | None, take_over: bool) -> None:
    """Raises StudyConflictError unless the owner is shown to be gone.

    take_over: the word of the user stands for an owner that cannot be seen, on another host.
    """
    if owner is None or owner == this_process():
        return
    if owner["host"] != platform.node() and not take_over:
        raise StudyConflictError(
            f"study {study!r} was last run on host {owner['host']}; whether it still runs cannot "
            "be seen from here: add --take-over when you know that it does not"
        )
    if lives(owner):
        raise StudyConflictError(
            f"study {study!r} is being run by process {owner['pid']}: wait for it, or stop it first"
        )


def lives(owner: dict[str, Any] | None) -> bool:
    """Is the owner a process of this host that still runs?

    One that was killed and that nobody waits for, as in a container without an init, does not.
    """
    if owner is None or owner["host"] != platform.node():
        return False
    try:
        process = psutil.Process(owner["pid"])
        started, status = process.create_time(), process.status()
    except psutil.Error:
        return False
    is_same = abs(started - owner["started"]) < CREATE_TIME_TOLERANCE_S
    return bool(is_same and status != psutil.STATUS_ZOMBIE)
