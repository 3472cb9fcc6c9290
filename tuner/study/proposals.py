"""Which knobs of the next trial are fixed before the sampler completes it.

A function of the space and of what was recorded, so that a resumed study plans the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..evidence.objectives import Objective
from ..evidence.summary import finished_trials, identify, resolve_unset
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
    missing = [batch for batch in batches if batch not in baseline_batches(runs)]
    if objective.name == "latency":
        default = space.default_batch()
        done = len(finished_trials(runs))
        batch_slot = bool(batches) and done % BATCH_SLOT_EVERY == BATCH_SLOT_EVERY - 1
        if batch_slot and missing:
            return space.baseline(missing[0])
        batch = batches[done // BATCH_SLOT_EVERY % len(batches)] if batch_slot else default
        share = (BATCH_SLOT_EVERY - 1) / BATCH_SLOT_EVERY if batches else 1.0
        enumerated = None if batch_slot else space.shuffled(default, int(trials * share), seed)
    else:
        if missing:
            return space.baseline(missing[0])
        batch = None
        enumerated = space.shuffled(None, trials, seed)
    unmeasured = _first_unmeasured(space, enumerated or [], runs)
    if unmeasured:
        return unmeasured
    fixed = space.pins()
    if batch is not None:
        fixed[BATCH_SIZE] = batch
    return fixed


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
    space: SearchSpace, configuration: Configuration, runs: Sequence[RecordedRun]
) -> str:
    """Why a proposal is not launched: a rule, or a batch size that has no reference output."""
    broken = space.broken_rule(configuration)
    broken = broken or space.broken_once_resolved(configuration, resolve_unset(space, runs))
    if broken or BATCH_SIZE not in configuration:
        return broken.why if broken else ""
    batch = configuration[BATCH_SIZE]
    if space.is_baseline(configuration) or batch == space.default_batch():
        return ""
    known = baseline_batches(runs).intersection(usable_batches(space, runs))
    return "" if batch in known else f"the baseline did not run at batch size {batch}"


def has_failed(
    space: SearchSpace, configuration: Configuration, runs: Sequence[RecordedRun]
) -> bool:
    """Has this very configuration failed before? Then another proposal is worth more than it."""
    resolved = resolve_unset(space, runs)
    identity = identify(space, configuration, resolved)
    return any(
        identify(space, recorded.configuration, resolved) == identity
        for recorded in runs
        if recorded.outcome not in (Outcome.OK, Outcome.ENVIRONMENT_ERROR)
    )


def _first_unmeasured(
    space: SearchSpace, candidates: Sequence[Configuration], runs: Sequence[RecordedRun]
) -> Configuration | None:
    resolved = resolve_unset(space, runs)
    measured = [identify(space, recorded.configuration, resolved) for recorded in runs]
    for candidate in candidates:
        if space.broken_once_resolved(candidate, resolved):
            continue
        if identify(space, candidate, resolved) not in measured:
            return candidate
    return None
