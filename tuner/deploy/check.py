"""Does an exported configuration still hold, here and now? Measured as it was: paired with the
baseline, in fresh runs, with an interval."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from ..errors import BaselineError, Interrupted, UnfitEnvironmentError, UsageError
from ..evidence import pairs
from ..evidence.conclude import conclude
from ..evidence.environment import Difference, differences
from ..evidence.intervals import Comparison
from ..evidence.result import Result
from ..evidence.summary import Summary
from ..language import Message
from ..options import Setup
from ..policy import BATCH_SIZE, WARMUP
from ..runs.records import RecordedRun
from ..runs.store import Store
from ..space.model import Configuration
from ..space.narrowing import why_not
from ..study import notes, session, stored
from ..study.heat_size import decide
from ..study.heats import Entry
from ..study.proposals import why_not_launched
from ..study.repeat import run_folder
from ..study.runner import Caller, Runner
from ..study.together import entries_of, measure_together
from ..text import command
from ..worker.protocol import Outcome, Role
from .best import BestConfiguration

Answer = Literal["kept", "regression", "unclear"]
EXIT_CODES: dict[Answer, int] = {"kept": 0, "regression": 3, "unclear": 5}
KEPT_SHARE = 0.9  # of the promised speed-up: an interval holds no drift from day to day
TRIALS = 2  # the baseline and the configuration
CANNOT_RUN = (Outcome.UNSUPPORTED, Outcome.CRASHED, Outcome.OUT_OF_MEMORY)


@dataclass(frozen=True)
class Check:
    """The answer, with its reason; what was promised, None where nothing was, and what was seen.

    environment: where this one differs from the one that it was tuned on. study: of the fresh runs;
    "" where it was not kept, or nothing had to be measured.
    """

    answer: Answer
    reason: Message
    promised: Comparison | None
    seen: Comparison | None
    environment: tuple[Difference, ...]
    study: str
    emulated_cann: bool

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, the exit code included."""
        return {"exit_code": EXIT_CODES[self.answer], **asdict(self)}


def without_measuring(best: BestConfiguration) -> Check | None:
    """The answer of a file that keeps the defaults; None where there is something to measure."""
    if best.recommendation != "keep the defaults":
        return None
    return Check("kept", Message("it keeps the defaults"), None, None, (), "", False)


def knobs_of(best: BestConfiguration) -> Configuration:
    """The knobs that the file sets; the counts are no part of what a setting is worth."""
    counts = (WARMUP, BATCH_SIZE)
    return {name: value for name, value in best.configuration.items() if name not in counts}


def setup_of(best: BestConfiguration, where: str, changes: dict[str, Any]) -> Setup:
    """How it is measured again. changes: fields of Setup, such as python or model.

    The file's variables that are set here already, as in an image that was built with them, are
    kept from the baseline.

    Raises UsageError for a file that does not say how it was measured, or sets nothing,
    UnfitEnvironmentError for processors that are not there.
    """
    measured_with = best.measured_with
    if measured_with is None or not knobs_of(best):
        lacks = "sets no knob" if measured_with else "does not say how it was measured"
        anew = command("export", best.study)
        raise UsageError(f"{where}: it {lacks}; write it anew with {anew}")
    folder = measured_with.folder if Path(measured_with.folder).is_dir() else str(Path.cwd())
    deployed = {n for n, v in best.environment_variables.items() if os.environ.get(n) == v}
    space, weights = measured_with.space, measured_with.weights
    size = best.evidence.batch_size
    options: dict[str, Any] = {
        "max_latency_ms": None,  # judged by the pairs
        "backend": best.backend,
        "folder": folder,
        "space": os.path.join(folder, space) if "/" in space or "." in space else space,
        "weights": os.path.join(folder, weights) if weights not in (None, "DEFAULT") else weights,
        "pins": {} if size is None else {BATCH_SIZE: str(size)},
        "trials": TRIALS,
        "without": tuple(sorted(deployed)),
    }
    setup = replace(measured_with, **{**options, **changes}).validated()
    if not setup.launch_prefix and not set(setup.cpus) <= (usable := os.sched_getaffinity(0)):
        raise UnfitEnvironmentError(
            f"{where}: it was measured on processors {_listed(setup.cpus)}, usable here: "
            f"{_listed(usable)}; choose others with --cpus"
        )
    return setup


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, sorted(numbers)))


def check(
    best: BestConfiguration, setup: Setup, store: Store, caller: Caller, keep: bool = False
) -> Check:
    """Measure and judge; the fresh runs are a study of their own in the store.

    keep: it stays there. Raises UnfitEnvironmentError where the configuration, or the model, cannot
    run here.
    """
    name = session.new_name(store, replace(setup, model=f"check-{best.study}"))
    caller.note(notes.of_check(name if keep else "", setup))
    try:
        with run_folder(setup.launch_prefix) as folder:
            _measured(best, setup, store, name, caller, folder)
        summary = stored.load(store, name)
        answer = judged(best, summary, conclude(summary))
    except BaselineError as error:
        keep = True  # for the command that repeats the run, which the error names
        raise UnfitEnvironmentError(str(error)) from error
    except Interrupted as error:
        raise Interrupted("stopped: a check begins anew") from error
    finally:
        if not keep:
            store.delete_study(name)
    return answer if keep else replace(answer, study="")


def _measured(
    best: BestConfiguration, setup: Setup, store: Store, name: str, caller: Caller, folder: Path
) -> None:
    with session.opened(setup, store, name, caller, results=folder) as runner:
        # Whatever becomes of it: a check is not resumed, it begins anew.
        store.update_study(name, finished_at=datetime.now(timezone.utc))
        measure(runner, knobs_of(best))


def measure(runner: Runner, knobs: Configuration) -> None:
    """Run the baseline once, the configuration once, then pairs of both until the answer is clear.

    Raises UnfitEnvironmentError for what cannot be set here, and as `measure_together`.
    """
    space = runner.space
    _require_settable(next((why for n, v in knobs.items() if (why := why_not(space, n, v))), ""))
    base, configuration = space.baseline(), {**space.baseline(), **knobs}
    measured = _run_once(Entry(runner, 0, base, Role.BASELINE))
    runner.keep_heat_size(decide(runner, measured, session.beside(runner)).size)
    _require_settable(why_not_launched(space, configuration, runner.runs))
    recorded = _run_once(Entry(runner, 1, configuration, Role.SEARCH))
    identity = runner.summary().identity(configuration)
    if not recorded.ok or space.is_baseline(identity):
        return
    while step := pairs.next_step(runner.summary(), identity):
        measure_together(entries_of(runner, step), step.done, step.total)


def _require_settable(why: str) -> None:
    if why:
        raise UnfitEnvironmentError(
            f"the configuration cannot be set here: {why}; tune anew in this environment"
        )


def _run_once(entry: Entry) -> RecordedRun:
    """A run that says something of its configuration: not one that its environment failed."""
    while True:
        (recorded,) = measure_together([entry], entry.trial, TRIALS)
        if recorded.outcome != Outcome.ENVIRONMENT_ERROR:
            return recorded


def judged(best: BestConfiguration, summary: Summary, result: Result) -> Check:
    """The answer of a study of that one configuration."""
    promised = promise(best)
    answer, reason = _answer(best, promised, summary, result)
    now = summary.study.facts.fingerprint
    return Check(
        answer=answer,
        reason=reason,
        promised=promised,
        seen=result.evidence.comparison(result.verdict),
        environment=tuple(differences(best.environment, now)),
        study=result.study,
        emulated_cann=bool(now.get("emulated_cann")),
    )


def promise(best: BestConfiguration) -> Comparison:
    """What the file says of its configuration; of the smaller one, where that was exported."""
    if best.minimal is not None:
        return best.minimal.over_baseline
    return best.evidence.comparison(best.verdict)


def _answer(
    best: BestConfiguration,
    promised: Comparison,
    summary: Summary,
    result: Result,
) -> tuple[Answer, Message]:
    failure = _failure(summary)
    if failure is not None:
        outcome, message = failure
        if outcome in CANNOT_RUN:
            raise UnfitEnvironmentError(
                f"{best.study}: the configuration cannot run here: {outcome.value}: {message}; "
                "tune anew in this environment"
            )
        return "regression", Message(f"{outcome.value}: {message}")
    interval = result.evidence.interval
    least = KEPT_SHARE * (promised.interval.low if promised.interval else promised.speedup)
    limit_ms = best.measured_with.max_latency_ms if best.measured_with else None
    if limit_ms is not None and result.evidence.best.latency_ms > limit_ms:
        return "regression", Message("over the limit of {limit:g} ms", {"limit": limit_ms})
    configuration = {**summary.space.baseline(), **knobs_of(best)}
    if summary.space.is_baseline(summary.identity(configuration)):
        return "regression", Message("it is what the defaults are here")
    if interval and best.recommendation == "apply" and interval.high < least:
        return "regression", Message(
            "less than {share:.0%} of what it promised", {"share": KEPT_SHARE}
        )
    if result.verdict == "faster":
        return "kept", Message("faster than the baseline, as it promised")
    if result.verdict in ("slower", "same"):
        return "regression", Message("not faster than the baseline any more")
    return "unclear", result.reason or Message("the noise forbids an answer")


def _failure(summary: Summary) -> tuple[Outcome, str] | None:
    """What became of the configuration, where a run of it failed by its own doing."""
    searched = [recorded for measured in summary.measured for recorded in measured.runs]
    for recorded in [*searched, *summary.confirmation_runs]:
        if recorded.ok or recorded.outcome == Outcome.ENVIRONMENT_ERROR:
            continue
        if not summary.space.is_baseline(summary.identity(recorded.configuration)):
            return recorded.outcome, recorded.run.result.message
    return None
