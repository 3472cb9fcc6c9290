"""Optuna, ask and tell: proposes configurations and is told what became of them.

The winner never comes from here: a told trial cannot be told again, so an early lucky value stays.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import TrialState

from ..space.model import Configuration, SearchSpace
from ..worker.protocol import Outcome

if TYPE_CHECKING:
    from ..evidence.objectives import Objective
    from ..runs.store import RunStore

Sampler = Callable[[int], BaseSampler]  # of a seed


@dataclass(frozen=True)
class Proposal:
    """A trial number with the configuration proposed for it."""

    number: int
    configuration: Configuration


class Search:
    """One Optuna study."""

    def __init__(
        self,
        store: RunStore,
        name: str,
        space: SearchSpace,
        objective: Objective,
        seed: int,
        sampler: Sampler | None = None,
    ) -> None:
        """None: TPE."""
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        self._seed = seed
        self._sampler = sampler or _tpe
        self._distributions: dict[str, BaseDistribution] = {
            knob.name: CategoricalDistribution(knob.domain) for knob in space.knobs
        }
        self._study = optuna.create_study(
            storage=store.optuna_storage(),
            study_name=name,
            direction=objective.direction,
            load_if_exists=True,
        )

    def enqueue(self, configuration: Mapping[str, Any], once: bool = False) -> None:
        """Put a configuration, or some fixed knobs, first in line; `once`: unless it was before."""
        self._study.enqueue_trial(dict(configuration), skip_if_exists=once)

    def has_waiting(self) -> bool:
        """Is an enqueued trial still to be asked for?"""
        return bool(self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))

    def ask(self) -> Proposal:
        """The next enqueued trial, completed by the sampler, or one of the sampler's own.

        The sampler is seeded by the study's seed and the number of trials, so that a resumed study
        does not repeat the proposals of the first part.
        """
        count = len(self._study.get_trials(deepcopy=False))
        self._study.sampler = self._sampler(derived_seed(self._seed, count))
        trial = self._study.ask(self._distributions)
        return Proposal(trial.number, dict(trial.params))

    def tell(
        self, number: int, outcome: Outcome, value: float | None, excess_ms: float | None = None
    ) -> None:
        """Told once per trial. A configuration's own failure is PRUNED: TPE learns to avoid it,
        while it ignores FAIL and walks back into the failing region.

        excess_ms: latency above the limit, at most 0 where it is kept; None without a limit.
        """
        if outcome == Outcome.OK and value is not None:
            if excess_ms is not None:
                self._constrain(number, excess_ms)
            self._study.tell(number, value, skip_if_finished=True)
        elif outcome == Outcome.ENVIRONMENT_ERROR:
            self._study.tell(number, state=TrialState.FAIL, skip_if_finished=True)
        else:
            self._study.tell(number, state=TrialState.PRUNED, skip_if_finished=True)

    def _constrain(self, number: int, excess_ms: float) -> None:
        frozen = self._study.get_trials(deepcopy=False)[number]
        trial = optuna.trial.Trial(self._study, frozen._trial_id)
        trial.set_constraint("max_latency_ms", excess_ms)

    def refuse(self, number: int) -> None:
        """A proposal that breaks a rule: pruned without being launched."""
        self._study.tell(number, state=TrialState.PRUNED)

    def left_running(self) -> list[Proposal]:
        """Trials asked for but never told, of a controller that died."""
        running = self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return [Proposal(trial.number, dict(trial.params)) for trial in running]

    def is_complete(self, proposal: Proposal) -> bool:
        """Does the proposal have a value for every knob?"""
        return proposal.configuration.keys() == self._distributions.keys()


def _tpe(seed: int) -> BaseSampler:
    """What is asked for and not told yet counts as bad: several asked at once differ."""
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def derived_seed(seed: int, number: int) -> int:
    """A seed for one trial: a function of the study's seed and the trial number."""
    digest = hashlib.sha256(f"{seed}:{number}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
