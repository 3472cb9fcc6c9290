"""Runs that are to be compared: in a heat, or one after the other; for loop, check and pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile

from ..errors import BaselineError, Interrupted, UnfitEnvironmentError
from ..evidence.pairs import Step
from ..policy import BATCH_SIZE
from ..runs.log import without_traces
from ..runs.records import RecordedRun, Run, StudyRecord
from ..text import command
from ..worker.facts import ProbeFacts
from ..worker.protocol import Outcome, Role, TrialSpec
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

    Raises BaselineError where the baseline does not run, UnfitEnvironmentError where the
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
        raise BaselineError(baseline_failure(runner.record, recorded.trial, recorded.run))


def baseline_failure(record: StudyRecord, trial: int, run: Run) -> str:
    """Why the baseline did not run, the log's tail, and the command that repeats it."""
    result = run.result
    lines = without_traces(run.log_tail).splitlines()[-SHOWN_LOG_LINES:]
    again = command("rerun", record.name, "--trial", str(trial))
    return "\n".join(
        [
            f"the baseline run ended as {result.outcome.value}: {result.message}",
            *(f"    {line}" for line in lines if line not in result.message),
            f"{_blame(record.facts.probe, run)}; repeat this run with: {again}",
        ]
    )


def _blame(facts: ProbeFacts, run: Run) -> str:
    """Whose doing it may be: the model's own only where nothing of it was changed."""
    outcome, spec = run.result.outcome, run.spec
    if outcome == Outcome.WRONG_OUTPUT:
        return (
            "nothing was set: another process computes something else from the same weights and "
            "inputs, by a seed of its own, the time or a file, which the factory must fix"
        )
    if outcome == Outcome.TIMEOUT:
        return f"its deadline of {spec.deadline_s:g} s ended it: --timeout gives it longer"
    if outcome == Outcome.OUT_OF_MEMORY and spec.memory_limit_bytes:
        return "its --memory-limit ended it: give it more"
    deeds = dict(_deeds(facts, spec))
    if not deeds:
        return (
            "nothing was set and nothing of it was changed: the model must run as it is before it "
            "can be tuned"
        )
    return f"nothing was set, but this tool had {' and '.join(deeds)}: {'; '.join(deeds.values())}"


def _deeds(facts: ProbeFacts, spec: TrialSpec) -> Iterator[tuple[str, str]]:
    """What this tool had done before the baseline was called, and what to do about it."""
    own, asked = facts.batch_size, spec.batch_size
    if own is not None and asked not in (None, own):
        yield (
            f"changed the batch size of its inputs from {own} to {asked}",
            f"--set {BATCH_SIZE}={own} leaves them as they are",
        )
    if spec.model.inputs or spec.model.source == "torchvision":
        yield (
            f"made its inputs, {' '.join(facts.inputs)}, of random values",
            "give other shapes with --input, or have a factory return (model, inputs)",
        )
    if spec.backend != "cpu":
        yield (
            f"moved it and its inputs to the {spec.backend.upper()}",
            "tensors that its forward makes must take their device from the inputs",
        )
