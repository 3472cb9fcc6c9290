"""The first hour on a new device in one file: checks, A/A, the core knobs in calls and blocks.

Made where nobody of this project can look: what was measured is kept, raw, in a recording that is
redacted and small enough to be sent.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from . import __version__, doctor, recording, session
from .errors import Interrupted, TunerError
from .host import Check
from .recording import Recording
from .setup import MIN_PAIRS, Setup
from .store import Store
from .study import Observer

NAME = "full-check"
TRIALS = 33  # every allowed configuration of the npu space at one batch size
BASELINE_RUNS = 2 * MIN_PAIRS + 1  # trial 0, then pairs for the A/A check


@dataclass(frozen=True)
class FullCheck:
    """What a full check has found. stopped: why it did not come to its end; "" where it did."""

    checks: tuple[Check, ...]
    recording: Recording
    stopped: str
    made_by: str


def make(
    asked: Setup,
    path: Path,
    observer: Observer,
    stop: Callable[[], bool],
    note: Callable[[str], None],
) -> FullCheck:
    """Examine, measure, and write the recording: also when the measuring ends in an error."""
    checks = doctor.examine(asked.python, asked.device)
    stopped = ""
    with tempfile.TemporaryDirectory(prefix="npu-tune-") as made:
        store = Store(f"sqlite:///{made}/study.db")
        try:
            results = Path(made)
            session.tune(asked, store, NAME, observer, stop, note, on_wait=note, results=results)
        except (Interrupted, KeyboardInterrupt):
            stopped = "interrupted"
        except TunerError as error:
            stopped = str(error)
        record, runs = store.study(NAME), store.runs(NAME)
        store.close()
    notes = {
        "checks": [asdict(check) for check in checks],
        "stopped": stopped,
        "made_by": f"npu-tune {__version__}",
    }
    recording.write(Recording(record, tuple(runs), notes), path)
    return read(path)


def read(path: Path) -> FullCheck:
    """What `make` wrote, with its redactions. Raises UsageError for another file."""
    found = recording.read(path)
    notes = found.notes
    checks = tuple(Check(**check) for check in notes.get("checks", []))
    return FullCheck(checks, found, notes.get("stopped", ""), notes.get("made_by", ""))


def setup(model: str, python: str, device: int | None, backend: str = "auto") -> Setup:
    """What a full check measures: every knob of the core space, at batch size 1."""
    return Setup(
        model=model,
        trials=TRIALS,
        backend=backend,
        pins={"batch_size": "1"},
        confirm="off",
        device=device,
        python=python,
        baseline_runs=BASELINE_RUNS,
        folder=str(Path.cwd()),
    ).check()
