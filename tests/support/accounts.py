"""Whether a study that was interrupted has lost anything, or counted anything twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState

from tests.support.killing import NAME, Study
from tuner.evidence.summary import Summary
from tuner.runs.records import RecordedRun
from tuner.runs.store import Store
from tuner.space.model import Configuration
from tuner.study import stored
from tuner.worker.protocol import Outcome, Role

CONFIRMING = (Role.CONFIRM, Role.HOLD_OUT, Role.ABLATION)


def faults(study: Study, trials: int, before: Sequence[RecordedRun] = ()) -> list[str]:
    """What is lost, doubled or left open in a study that has ended. before: recorded earlier."""
    store = Store(study.storage, create=False)
    try:
        runs, summary = store.runs(NAME), stored.load(store, NAME)
        told = optuna.load_study(study_name=NAME, storage=store.optuna_storage()).trials
    finally:
        store.close()
    uids = Counter(r.run.uid for r in runs)
    messages = [f"run {r.run.uid} is lost" for r in before if r.run.uid not in uids]
    messages += [f"trial {r.trial}: timeout" for r in runs if r.outcome == Outcome.TIMEOUT]
    if summary.trials_done != trials:
        messages.append(f"{summary.trials_done} trials instead of {trials}")
    searched = [r for r in runs if r.role in (Role.SEARCH, Role.BASELINE)]
    messages += [f"{what} is recorded {n} times" for what, n in _doubled(summary, searched, runs)]
    return messages + _of_heats(runs) + _of_trials(summary, searched, told)


def _doubled(
    summary: Summary, searched: Sequence[RecordedRun], runs: Sequence[RecordedRun]
) -> list[tuple[object, int]]:
    """What should be there once: trials but the baseline's, their configurations, confirmations."""
    counters: list[Counter[object]] = [
        Counter(r.run.uid for r in runs),
        Counter(r.trial for r in searched if r.trial),
        Counter(_key(summary, r.configuration) for r in searched if r.trial),
        Counter((r.role, r.block, r.trial) for r in runs if r.role in CONFIRMING),
    ]
    return [(what, n) for counter in counters for what, n in counter.items() if n > 1]


def _key(summary: Summary, configuration: Configuration) -> Hashable:
    return frozenset(summary.identity(configuration).items())


def _of_heats(runs: Sequence[RecordedRun]) -> list[str]:
    """A heat of the search has a companion's part; nobody had turns that the companion had not."""
    messages = []
    for heat in sorted({r.run.spec.heat for r in runs} - {0}):
        own = [r for r in runs if r.run.spec.heat == heat]
        parts = [r for r in own if r.role == Role.COMPANION]
        if len(parts) == len(own):
            messages.append(f"heat {heat} has a companion alone")
        if len({r.run.spec.companion for r in parts}) < len(parts):
            messages.append(f"heat {heat} has a companion's part twice")
        if any(r.role in (Role.SEARCH, Role.BASELINE) for r in own):
            turns = {turn for r in parts if r.measurement for turn in r.measurement.turns}
            if any(r.measurement and not turns.issuperset(r.measurement.turns) for r in own):
                messages.append(f"heat {heat}: a run had turns without the companion")
    return messages


def _of_trials(
    summary: Summary, searched: Sequence[RecordedRun], told: Sequence[FrozenTrial]
) -> list[str]:
    """What Optuna was told is what is recorded."""
    messages = [
        f"trial {t.number} is {t.state.name}"
        for t in told
        if t.state in (TrialState.RUNNING, TrialState.FAIL)
    ]
    for recorded in {r.trial: r for r in searched if r.trial}.values():
        trial, state = told[recorded.trial], TrialState.PRUNED
        if recorded.ok:
            state = TrialState.COMPLETE
        if trial.state != state:
            messages.append(f"trial {trial.number} was told {trial.state.name}, not {state.name}")
        if trial.params != recorded.configuration:
            messages.append(f"trial {trial.number} is another configuration than its run")
    measured = {_key(summary, r.configuration) for r in searched}
    return messages + [
        f"trial {t.number} was told without a run"
        for t in told
        if t.state == TrialState.COMPLETE and _key(summary, t.params) not in measured
    ]
