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
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..worker import exchange
from . import encoding
from .records import RecordedRun, StudyRecord

FORMAT, VERSION, VERSIONS = "npu-tune recording", 3, (1, 2, 3)
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
    header = {"format": FORMAT, "version": VERSION, "notes": recording.notes}
    lines: list[Any] = [header, recording.study and _sent(recording.study)]
    for run in map(encoding.run_to_dict, recording.runs):
        lines.append({**run, "log_tail": IP_ADDRESS.sub("ADDRESS", run["log_tail"])})
    path.parent.mkdir(parents=True, exist_ok=True)
    with exchange.replacing(str(path)) as file, gzip.open(file, "wt", encoding="utf-8") as text:
        for line in lines:
            text.write(json.dumps(redacted(line, hidden), ensure_ascii=False) + "\n")


def read(path: Path) -> Recording:
    """Read what `write` wrote. Raises UsageError for anything else."""
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            header, begun, *runs = [json.loads(line) for line in file]
        if header["format"] != FORMAT or header["version"] not in VERSIONS:
            raise UsageError(f"{path}: recording version {header['version']} is not known here")
        study = None if begun is None else encoding.study_from_dict(begun)
        return Recording(study, tuple(map(encoding.run_from_dict, runs)), header["notes"])
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
        return [redacted(item, hidden, key) for item in value]
    if not isinstance(value, str) or key in KEPT:
        return value
    for name in sorted(hidden, key=len, reverse=True):
        value = re.sub(rf"(?<![A-Za-z0-9-]){re.escape(name)}(?![A-Za-z0-9-])", hidden[name], value)
    return value


def _sent(study: StudyRecord) -> dict[str, Any]:
    """The study as it is written: whoever reads it owns nothing, and may go on with it."""
    return encoding.study_to_dict(replace(study, finished_at=None, owner=None))
