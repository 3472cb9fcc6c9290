"""What Optuna is asked and told."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from tests.support.runs import SPACE
from tuner.evidence.objectives import OBJECTIVES
from tuner.runs.store import MemoryStore, Store
from tuner.study.sampler import Search, derived_seed
from tuner.worker.protocol import Outcome


def search(store: Store, objective: str = "latency") -> Search:
    return Search(store, "s", SPACE, OBJECTIVES[objective], seed=0)


def trials(store: Store) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="s", storage=store.optuna_storage()).trials


def test_an_enqueued_configuration_is_asked_first_and_once(store: Store) -> None:
    one = search(store)
    one.enqueue(SPACE.baseline(), once=True)
    one.enqueue(SPACE.baseline(), once=True)
    first = one.ask()
    assert (first.number, first.configuration) == (0, SPACE.baseline())
    assert not one.has_waiting()


def test_fixed_knobs_are_completed_by_the_sampler(store: Store) -> None:
    one = search(store)
    one.enqueue({"batch_size": 8, "mode": "fast"})
    proposal = one.ask()
    assert one.is_complete(proposal)
    assert (proposal.configuration["batch_size"], proposal.configuration["mode"]) == (8, "fast")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.OK, TrialState.COMPLETE),
        (Outcome.CRASHED, TrialState.PRUNED),
        (Outcome.OUT_OF_MEMORY, TrialState.PRUNED),
        (Outcome.TIMEOUT, TrialState.PRUNED),
        (Outcome.UNSUPPORTED, TrialState.PRUNED),
        (Outcome.WRONG_OUTPUT, TrialState.PRUNED),
        (Outcome.ENVIRONMENT_ERROR, TrialState.FAIL),
    ],
)
def test_an_outcome_is_told_as_a_state(outcome: Outcome, state: TrialState, store: Store) -> None:
    one = search(store)
    one.tell(one.ask().number, outcome, 5.0 if outcome == Outcome.OK else None)
    assert [trial.state for trial in trials(store)] == [state]


def test_a_latency_above_the_limit_is_told_as_a_violated_constraint(store: Store) -> None:
    one = search(store, "throughput")
    one.tell(one.ask().number, Outcome.OK, 100.0, excess_ms=3.5)
    assert trials(store)[0].constraints == {"max_latency_ms": 3.5}


def test_the_seed_follows_the_trial_number() -> None:
    assert derived_seed(0, 7) == derived_seed(0, 7)
    assert len({derived_seed(0, number) for number in range(100)}) == 100
    assert derived_seed(0, 7) != derived_seed(1, 7)


def test_a_failing_corner_of_the_space_is_left(store: Store) -> None:
    one = search(store)
    failing = 0
    for _ in range(60):
        proposal = one.ask()
        chosen = proposal.configuration
        if chosen["mode"] == "fast" and chosen["spin"] == "on":
            failing += 1
            one.tell(proposal.number, Outcome.CRASHED, None)
        else:
            one.tell(proposal.number, Outcome.OK, 5.0 if chosen["mode"] == "fast" else 10.0)
    # A quarter of the space fails: 15 of 60 by chance, 30 and more when told as FAIL.
    assert failing <= 20


def test_what_is_asked_at_once_counts_as_bad_until_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[dict[str, Any]] = []
    tpe = optuna.samplers.TPESampler

    def watched(**options: Any) -> BaseSampler:
        made.append(options)
        return tpe(**options)

    monkeypatch.setattr(optuna.samplers, "TPESampler", watched)
    asked = Search(MemoryStore(), "s", SPACE, OBJECTIVES["latency"], 0)
    asked.ask()
    assert made[-1] == {"seed": derived_seed(0, 0), "constant_liar": True}
