"""Runs that are to be compared: in a heat, or one after the other; for loop, check and pairs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile

from ..errors import BaselineError, Interrupted, UnfitEnvironmentError
from ..evidence.pairs import Step
from ..policy import BATCH_SIZE
from ..runs.log import without_traces
from ..runs.records import RecordedRun, Run
from ..worker.protocol import Outcome, Role
from .heat_size import most_together
from .heats import Entry, make
from .runner import Runner

ENVIRONMENT_ERRORS_IN_A_ROW = 3
SHOWN_LOG_LINES = 5


def entries_of(runner: Runner, step: Step) -> list[Entry]:
    """The runs that a step still needs."""
    return [
        Entry(runner, trial, configuration, step.role, step.block)
        for trial, configuration in step.runs
    ]


def measure_together(entries: Sequence[Entry], done: int, total: int) -> list[RecordedRun]:
    """Make the runs, in heats where their studies are; one record for each, in their order.

    Alone in this order, the last record of a run that was made again. The observer is told of
    `done` of `total` before the first, and so on.

    Raises Interrupted between two heats, BaselineError and UnfitEnvironmentError as `require_fit`.
    """
    records: list[RecordedRun] = []
    for heat in _heats(entries):
        runner, number = heat[0].runner, done + len(records)
        if runner.stop():
            raise Interrupted("")
        if len(heat) == 1:
            fresh = [measure(heat[0], number, total)]
        else:
            configurations = [entry.configuration for entry in heat]
            runner.observer.run_started(number, total, heat[0].role, configurations)
            fresh = make(heat)
        for entry, recorded in zip(heat, fresh, strict=True):
            require_fit(entry.runner, recorded)
        records += fresh
    return records


def _heats(entries: Sequence[Entry]) -> list[Sequence[Entry]]:
    """As few heats as memory allows, of about the same size: what is compared belongs in one."""
    if not all(entry.runner.in_turns for entry in entries) or not entries:
        return [[entry] for entry in entries]
    size = max(2, min(most_together(entry.runner) for entry in entries))
    count = -(-len(entries) // size)
    bounds = [place * len(entries) // count for place in range(count + 1)]
    return [entries[begin:end] for begin, end in pairwise(bounds)]


def measure(entry: Entry, done: int, total: int) -> RecordedRun:
    """Make one run alone, whatever comes of it."""
    runner, configuration = entry.runner, entry.configuration
    runner.observer.run_started(done, total, entry.role, [configuration])
    return runner.run(configuration, entry.spec())


def require_fit(runner: Runner, recorded: RecordedRun) -> None:
    """End a study where going on makes no sense.

    Raises BaselineError where the model does not run as it is, UnfitEnvironmentError where the
    environment failed several runs in a row.
    """
    runs = [run for run in runner.fresh_runs if run.role != Role.COMPANION]
    failures = takewhile(lambda run: run.outcome == Outcome.ENVIRONMENT_ERROR, reversed(runs))
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
    what = "the model must run as it is before it can be tuned"
    if result.outcome == Outcome.WRONG_OUTPUT:
        what = (
            "nothing was set: another process computes something else from the same weights and "
            "inputs, by a seed of its own, the time or a file, which the factory must fix"
        )
    return "\n".join(
        [
            f"the baseline run ended as {result.outcome.value}: {result.message}",
            *(f"    {line}" for line in lines if line not in result.message),
            f"{what}; repeat this run with: npu-tune rerun {name} --trial {trial}",
        ]
    )
