"""Runs that are to be compared: made one after the other, for the loop, a check and fresh pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from ..errors import BaselineError, Interrupted, UnfitEnvironmentError
from ..evidence.pairs import Step
from ..policy import BATCH_SIZE
from ..runs.log import without_traces
from ..runs.records import RecordedRun, Run
from ..space.model import Configuration
from ..worker.protocol import Outcome, Role
from .runner import Runner

ENVIRONMENT_ERRORS_IN_A_ROW = 3
SHOWN_LOG_LINES = 5


@dataclass(frozen=True)
class Entry:
    """A run that is wanted, and whose study it belongs to. block: of a step, else 0."""

    runner: Runner
    trial: int
    configuration: Configuration
    role: Role
    block: int = 0


def entries_of(runner: Runner, step: Step) -> list[Entry]:
    """The runs that a step still needs."""
    return [
        Entry(runner, trial, configuration, step.role, step.block)
        for trial, configuration in step.runs
    ]


def measure_together(entries: Sequence[Entry], done: int, total: int) -> list[RecordedRun]:
    """Make the runs in this order; one record for each, the last of a run that was made again.

    The observer is told of `done` of `total` before the first, and so on.

    Raises Interrupted between two runs, BaselineError and UnfitEnvironmentError as `require_fit`.
    """
    records = []
    for number, entry in enumerate(entries, start=done):
        if entry.runner.stop():
            raise Interrupted("")
        recorded = measure(entry, number, total)
        require_fit(entry.runner, recorded)
        records.append(recorded)
    return records


def measure(entry: Entry, done: int, total: int) -> RecordedRun:
    """Make one run, whatever comes of it."""
    runner, configuration = entry.runner, entry.configuration
    runner.observer.run_started(done, total, entry.role, configuration)
    spec = runner.trial_spec(entry.trial, configuration, entry.role, entry.block)
    return runner.run(configuration, spec)


def require_fit(runner: Runner, recorded: RecordedRun) -> None:
    """End a study where going on makes no sense.

    Raises BaselineError where the model does not run as it is, UnfitEnvironmentError where the
    environment failed several runs in a row.
    """
    failures = takewhile(
        lambda run: run.outcome == Outcome.ENVIRONMENT_ERROR, reversed(runner.fresh_runs)
    )
    count = len(list(failures))
    if count >= ENVIRONMENT_ERRORS_IN_A_ROW:
        raise UnfitEnvironmentError(
            f"{count} runs in a row failed for reasons outside their configuration: "
            f"{recorded.run.result.message}; mend it, then {runner.again}"
        )
    at_default = recorded.configuration.get(BATCH_SIZE) == runner.space.default_batch()
    failed = not recorded.ok and recorded.outcome != Outcome.ENVIRONMENT_ERROR
    if recorded.role == Role.BASELINE and failed and at_default:
        raise BaselineError(baseline_failure(runner.name, recorded.trial, recorded.run))


def baseline_failure(name: str, trial: int, run: Run) -> str:
    """Why the model does not run as it is, the log's tail, and the command that repeats it."""
    result = run.result
    lines = without_traces(run.log_tail).splitlines()[-SHOWN_LOG_LINES:]
    return "\n".join(
        [
            f"the baseline run ended as {result.outcome.value}: {result.message}",
            *(f"    {line}" for line in lines if line not in result.message),
            "the model must run as it is before it can be tuned; repeat this run with: "
            f"npu-tune rerun {name} --trial {trial}",
        ]
    )
