"""Which knobs of the next trial are fixed before the sampler completes it.

A function of the space and of what was recorded, so that a resumed study plans the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence.meanings import meanings
from ..evidence.objectives import Objective
from ..evidence.summary import SEARCH_ROLES, finished_trials
from ..policy import BATCH_SIZE
from ..runs.records import RecordedRun
from ..space.model import Configuration, SearchSpace
from ..worker.protocol import Outcome, Role

BATCH_SLOT_EVERY = 4  # under latency, every fourth trial is at another batch size


def next_fixed(
    space: SearchSpace,
    objective: Objective,
    runs: Sequence[RecordedRun],
    trials: int,
    seed: int,
) -> Configuration:
    """Fixed knobs of the next trial: pins, batch size, or a whole configuration to enumerate."""
    batches = usable_batches(space, runs)
    missing = missing_batches(space, runs)
    batch = None
    if objective.name == "latency":
        done = len(finished_trials(runs))
        batch_slot = bool(batches) and done % BATCH_SLOT_EVERY == BATCH_SLOT_EVERY - 1
        if batch_slot and missing:
            return space.baseline(missing[0])
        default = space.default_batch()
        batch = batches[done // BATCH_SLOT_EVERY % len(batches)] if batch_slot else default
    elif missing:
        return space.baseline(missing[0])
    return fixed_at(space, enumerated(space, objective, batch, trials, seed), runs, batch)


def fixed_at(
    space: SearchSpace,
    candidates: Sequence[Configuration],
    runs: Sequence[RecordedRun],
    batch: int | None,
    beside: Sequence[Configuration] = (),
) -> Configuration:
    """The first of the candidates that is not measured; else pins and batch size alone."""
    unmeasured = _first_unmeasured(space, candidates, runs, beside)
    if unmeasured:
        return unmeasured
    fixed = space.pins()
    if batch is not None:
        fixed[BATCH_SIZE] = batch
    return fixed


def next_batch(space: SearchSpace, objective: Objective, runs: Sequence[RecordedRun]) -> int | None:
    """The batch size of a heat: under latency one trial of four is not at the default.

    First those at which the baseline has not run. None: any, or the space has no such knob.
    """
    batches, missing = usable_batches(space, runs), missing_batches(space, runs)
    if objective.name != "latency":
        return missing[0] if missing else None
    default, done = space.default_batch(), len(finished_trials(runs))
    others = [r for r in runs if r.role in SEARCH_ROLES and BATCH_SIZE in r.configuration]
    other = len(finished_trials([r for r in others if r.configuration[BATCH_SIZE] != default]))
    if not batches or other >= (done + 1) // BATCH_SLOT_EVERY:
        return default
    return missing[0] if missing else batches[other // 2 % len(batches)]


def missing_batches(
    space: SearchSpace, runs: Sequence[RecordedRun], beside: Sequence[Configuration] = ()
) -> list[int]:
    """The batch sizes at which the baseline has not run, nor is about to."""
    there = baseline_batches(runs) | {int(c[BATCH_SIZE]) for c in beside if BATCH_SIZE in c}
    return [batch for batch in usable_batches(space, runs) if batch not in there]


def enumerated(
    space: SearchSpace, objective: Objective, batch: object, trials: int, seed: int
) -> Sequence[Configuration]:
    """All configurations in a random order, where there are no more than there are to be trials.

    Of the default batch size under latency, which three of four trials are at; else of any.
    """
    default = space.default_batch()
    if objective.name != "latency":
        return space.shuffled(None, trials, seed) or []
    if batch != default:
        return []
    share = (BATCH_SLOT_EVERY - 1) / BATCH_SLOT_EVERY if space.other_batches() else 1.0
    return space.shuffled(default, int(trials * share), seed) or []


def baseline_batches(runs: Sequence[RecordedRun]) -> set[int]:
    """The batch sizes at which the baseline was run, well or not.

    Not where its environment failed it: that says nothing of it, and there is no reference output.
    """
    return {
        int(recorded.configuration[BATCH_SIZE])
        for recorded in runs
        if recorded.role == Role.BASELINE
        and recorded.outcome != Outcome.ENVIRONMENT_ERROR
        and BATCH_SIZE in recorded.configuration
    }


def usable_batches(space: SearchSpace, runs: Sequence[RecordedRun]) -> list[int]:
    """The other batch sizes, without those at which the baseline itself failed."""
    failed = {
        recorded.configuration[BATCH_SIZE]
        for recorded in runs
        if recorded.role == Role.BASELINE
        and recorded.outcome not in (Outcome.OK, Outcome.ENVIRONMENT_ERROR)
        and BATCH_SIZE in recorded.configuration
    }
    return [batch for batch in space.other_batches() if batch not in failed]


def why_not_launched(
    space: SearchSpace,
    configuration: Configuration,
    runs: Sequence[RecordedRun],
    beside: Sequence[Configuration] = (),
) -> str:
    """Why a proposal is not launched: a rule, or a batch size that has no reference output.

    beside: what is in its heat; a baseline there makes the reference first.
    """
    broken = space.broken_rule(configuration)
    meant = meanings(space, runs)
    broken = broken or space.broken_once_resolved(configuration, meant.unset)
    if broken:
        return broken.why
    for (name, value), line in meant.failing.items():
        if configuration[name] == value:
            return f"{name}={value} failed whenever it was tried: {line}"
    if BATCH_SIZE not in configuration:
        return ""
    batch = configuration[BATCH_SIZE]
    if space.is_baseline(configuration) or batch == space.default_batch():
        return ""
    known = baseline_batches(runs).intersection(usable_batches(space, runs))
    known |= {int(c[BATCH_SIZE]) for c in beside if space.is_baseline(c)}
    return "" if batch in known else f"the baseline did not run at batch size {batch}"


def has_failed(
    space: SearchSpace, configuration: Configuration, runs: Sequence[RecordedRun]
) -> bool:
    """Has this very configuration failed before? Then another proposal is worth more than it."""
    meant = meanings(space, runs)
    identity = meant.identity(space, configuration)
    return any(
        meant.identity(space, recorded.configuration) == identity
        for recorded in runs
        if recorded.outcome not in (Outcome.OK, Outcome.ENVIRONMENT_ERROR)
    )


def _first_unmeasured(
    space: SearchSpace,
    candidates: Sequence[Configuration],
    runs: Sequence[RecordedRun],
    beside: Sequence[Configuration] = (),
) -> Configuration | None:
    """The first candidate that was not run, nor is about to be."""
    meant = meanings(space, runs)
    known = [*(recorded.configuration for recorded in runs), *beside]
    measured = [meant.identity(space, configuration) for configuration in known]
    for candidate in candidates:
        if (
            space.broken_once_resolved(candidate, meant.unset)
            or meant.failing.keys() & candidate.items()
        ):
            continue
        if meant.identity(space, candidate) not in measured:
            return candidate
    return None
