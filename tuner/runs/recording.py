"""A study in one small file: what was asked and what every run measured, raw samples included.

Gzipped JSON, one object a line: a header, the study, then its runs in the order in which they
started. Made to be sent by somebody who may not send a database, so it is redacted when written.
"""

from __future__ import annotations

import contextlib
import getpass
import gzip
import json
import platform
import re
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..worker import protocol
from ..worker.protocol import TrialResult, TrialSpec
from .records import RecordedRun, Run, StudyRecord

FORMAT, FORMAT_VERSION = "npu-tune recording", 1
SHORTEST_NAME = 4  # replacing shorter names would spoil other words
KEPT = ("format", "role", "outcome", "backend", "source", "state", "verdict")  # words of our own
KEPT_TEXT = ("text",)
IP_ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b")


@dataclass(frozen=True)
class Recording:
    """study is None where nothing was begun. notes: what else was found, as JSON types."""

    study: StudyRecord | None
    runs: tuple[RecordedRun, ...]
    notes: dict[str, Any] = field(default_factory=dict)


def write(recording: Recording, path: Path, secrets: Mapping[str, str] | None = None) -> None:
    """Write the file, atomically, with `secrets` (text -> what stands for it) replaced."""
    hidden = private_names() if secrets is None else secrets
    header = {"format": FORMAT, "version": FORMAT_VERSION, "notes": recording.notes}
    lines: list[Any] = [header, _study_dict(recording.study)]
    lines += [_run_dict(recorded) for recorded in recording.runs]
    path.parent.mkdir(parents=True, exist_ok=True)
    with protocol.replacing(str(path)) as file, gzip.open(file, "wt", encoding="utf-8") as text:
        for line in lines:
            text.write(json.dumps(redacted(line, hidden), ensure_ascii=False) + "\n")


def read(path: Path) -> Recording:
    """Read what `write` wrote. Raises UsageError for anything else."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            header, study, *runs = [json.loads(line) for line in file]
        if header["format"] != FORMAT or header["version"] != FORMAT_VERSION:
            raise UsageError(f"{path}: recording version {header['version']} is not known here")
        found = None if study is None else StudyRecord(**_with_times(study))
        return Recording(found, tuple(_run(run) for run in runs), header["notes"])
    except (OSError, EOFError, zlib.error, ValueError, LookupError, TypeError) as error:
        raise UsageError(
            f"{path}: no recording of npu-tune, or a damaged one; npu-tune doctor --full makes one"
        ) from error


def private_names() -> dict[str, str]:
    """Names of this host, its user and the folders in use -> what stands for them."""
    names = {str(Path.cwd()): "FOLDER", platform.node(): "HOST"}
    with contextlib.suppress(KeyError, OSError, RuntimeError):  # a user without an entry
        names[str(Path.home())] = "~"
        names[getpass.getuser()] = "USER"
    names.pop("root", None)
    return {name: hidden for name, hidden in names.items() if len(name) >= SHORTEST_NAME}


def redacted(value: Any, hidden: Mapping[str, str], key: str = "") -> Any:
    """JSON types without those names, where they stand as words in a text; keys stay."""
    if isinstance(value, dict):
        # The text of a message with fields is the key of its translation.
        whole = KEPT_TEXT if value.get("fields") else ()
        return {n: v if n in whole else redacted(v, hidden, n) for n, v in value.items()}
    if isinstance(value, list):
        return [redacted(held, hidden, key) for held in value]
    if not isinstance(value, str) or key in KEPT:
        return value
    for name in sorted(hidden, key=len, reverse=True):
        value = re.sub(rf"(?<![A-Za-z0-9-]){re.escape(name)}(?![A-Za-z0-9-])", hidden[name], value)
    return value


def _study_dict(study: StudyRecord | None) -> dict[str, Any] | None:
    if study is None:
        return None
    times = {"created_at": study.created_at.isoformat(), "finished_at": None, "owner": None}
    return {**asdict(study), **times}


def _with_times(study: dict[str, Any]) -> dict[str, Any]:
    return {**study, "created_at": datetime.fromisoformat(study["created_at"])}


def _run_dict(recorded: RecordedRun) -> dict[str, Any]:
    run = recorded.run
    return {
        "trial": recorded.trial,
        "configuration": recorded.configuration,
        "uid": run.uid,
        "started_at": run.started_at.isoformat(),
        "wall_ns": run.wall_ns,
        "log_tail": IP_ADDRESS.sub("ADDRESS", run.log_tail),
        "spec": protocol.to_dict(run.spec),
        "result": protocol.to_dict(run.result),
    }


def _run(data: dict[str, Any]) -> RecordedRun:
    run = Run(
        spec=protocol.from_dict(TrialSpec, data["spec"]),
        result=protocol.from_dict(TrialResult, data["result"]),
        log_tail=data["log_tail"],
        started_at=datetime.fromisoformat(data["started_at"]),
        wall_ns=data["wall_ns"],
        uid=data["uid"],
    )
    return RecordedRun(data["trial"], data["configuration"], run)
