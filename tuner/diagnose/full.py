"""The first hour on a new device in one file: checks, A/A, the core knobs, a profile.

Made where nobody of this project can look: what was measured is kept, raw, in a recording that is
redacted and small enough to be sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from .. import __version__
from ..errors import Interrupted, TunerError, UsageError
from ..evidence.figures import figures
from ..evidence.intervals import Comparison
from ..evidence.measured import Measured, ranked
from ..evidence.summary import Summary, summarize
from ..evidence.verdict import against_itself
from ..language import Message, message, say
from ..options import WHERE, Setup, values_of
from ..policy import MIN_PAIRS
from ..runs import recording
from ..runs.recording import Recording
from ..runs.store import Store
from ..study import session, stored
from ..study.repeat import run_folder
from ..study.runner import Caller
from . import doctor
from .host import Finding
from .profile import Profile, choose, profile

NAME = "full-check"
TRIALS = 33  # every allowed configuration of the npu space at one batch size
BASELINE_RUNS = 2 * MIN_PAIRS + 1  # trial 0, then pairs for the A/A check
LONGEST_TABLE = 500_000  # characters kept of one of the profiler's tables


@dataclass(frozen=True)
class FullCheck:
    """What a full check has found. stopped: why it did not come to its end; None where it did.

    profiler_files: name -> text of the profiler's tables, for parsers to be tested on.
    """

    findings: tuple[Finding, ...]
    recording: Recording
    profile: Profile | None
    profiler_files: dict[str, str]
    stopped: Message | None
    made_by: str

    @cached_property
    def summary(self) -> Summary | None:
        """What was measured, judged by today's rules; None where no study was begun."""
        study = self.recording.study
        return summarize(study, self.recording.runs) if study else None

    @property
    def good(self) -> list[Measured]:
        """The configurations that ran well, the best first."""
        summary = self.summary
        return ranked(summary.measured, summary.objective, None) if summary else []

    @property
    def baseline_values(self) -> list[float]:
        """Of the runs of the baseline after its first: that one is alone in making the reference.

        The disturbed ones, too: what pairs of this host are like is the question.
        """
        summary = self.summary
        if summary is None or summary.baseline is None:
            return []
        runs = [r for r in summary.baseline.runs[1:] if r.measurement is not None]
        return [summary.value(r) for r in runs]

    @property
    def against_itself(self) -> Comparison | None:
        """The A/A check; None for too few runs of the baseline."""
        return against_itself(self.baseline_values)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; the raw samples stay in the file."""
        study, comparison = self.recording.study, self.against_itself
        return {
            "made_by": self.made_by,
            "stopped": asdict(self.stopped) if self.stopped else None,
            "checks": [asdict(finding) for finding in self.findings],
            "environment": study.facts.fingerprint if study else {},
            "against_itself": asdict(comparison) if comparison else None,
            "measured": [
                {"configuration": measured.configuration, **asdict(figures(measured))}
                for measured in self.good
            ],
            "profile": self.profile.to_dict() if self.profile else None,
        }


def make(
    setup: Setup,
    path: Path,
    caller: Caller,
) -> FullCheck:
    """Examine, measure, and write the recording: also when the measuring ends in an error.

    Raises UsageError where `path` cannot be written.
    """
    where = {name: getattr(setup, name) for name in WHERE}
    notes: dict[str, Any] = {
        "checks": [asdict(finding) for finding in doctor.examine(**where)],
        "made_by": f"npu-tune {__version__}",
        "stopped": asdict(Message("just begun")),
    }
    try:
        recording.write(Recording(None, (), notes), path)
    except OSError as error:
        raise UsageError(f"-o {path}: {error.strerror}: name a file to write") from error
    stopped: Message | None = None
    with run_folder(setup.launch_prefix) as folder:
        store = Store(f"sqlite:///{folder}/study.db")
        try:
            session.tune(setup, store, NAME, caller, folder)
            caller.note(say("trial {n} under the profiler, about a minute", n=0))
            baseline = choose(stored.load(store, NAME), baseline=True)
            files = folder / "profile"
            result = profile(store, NAME, baseline, {}, files, caller.on_wait)
            notes["profile"] = replace(result, folder="").to_dict()
            notes["profiler_files"] = _tables(files)
        except (Interrupted, KeyboardInterrupt):
            stopped = Message("interrupted")
        except TunerError as error:
            stopped = Message(str(error))
        except Exception as error:  # whatever it is: what was measured must not be lost
            stopped = Message(f"{type(error).__name__}: {error}")
        record, runs = store.study(NAME), store.runs(NAME)
        store.close()
    notes["stopped"] = asdict(stopped) if stopped else None
    recording.write(Recording(record, tuple(runs), notes), path)
    return read(path)


def _tables(folder: Path) -> dict[str, str]:
    """The profiler's CSV files, each cut to what can still be sent."""
    return {
        path.name: path.read_text(errors="replace")[:LONGEST_TABLE]
        for path in sorted(folder.rglob("*.csv"))
    }


def read(path: Path) -> FullCheck:
    """What `make` wrote, with its redactions. Raises UsageError for another file."""
    content = recording.read(path)
    notes = content.notes
    try:
        return FullCheck(
            findings=tuple(_finding(finding) for finding in notes["checks"]),
            recording=content,
            profile=TypeAdapter(Profile | None).validate_python(notes.get("profile")),
            profiler_files=notes.get("profiler_files", {}),
            stopped=_message(notes["stopped"]),
            made_by=str(notes["made_by"]),
        )
    except (LookupError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: a recording, but not of npu-tune doctor --full") from error


def _finding(data: dict[str, Any]) -> Finding:
    return Finding(data["name"], data["state"], message(data["seen"]), _message(data["todo"]))


def _message(data: Any) -> Message | None:
    """None, or "" in files of earlier versions, for nothing."""
    return message(data) if data else None


def setup(model: str, where: Mapping[str, Any]) -> Setup:
    """What a full check measures: every knob of the core space, at batch size 1.

    where: the workers run, options of that kind. Raises UsageError.
    """
    return Setup(
        model=model,
        trials=TRIALS,
        pins={"batch_size": "1"},
        confirm="off",
        baseline_runs=BASELINE_RUNS,
        folder=str(Path.cwd()),
        **values_of(where),
    ).validated()
