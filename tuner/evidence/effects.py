"""What each knob did, over all configurations of the search."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..policy import BATCH_SIZE, WARMUP
from ..space.model import Configuration, Value
from .measured import ranked
from .stats import t_quantile
from .summary import Summary

ERROR = 0.05  # how often any interval of a study may leave out what is true
MIN_FREEDOM = 8  # configurations more than the fit has unknowns: fewer hardly show the scatter


@dataclass(frozen=True)
class Effect:
    """How many times better one value made things, other knobs being equal; an interval."""

    speedup: float
    low: float
    high: float

    @property
    def mattered(self) -> bool:
        """Does the interval leave out 1?"""
        return self.low > 1 or self.high < 1


def effects(summary: Summary, of: Configuration) -> dict[str, Effect]:
    """The effect of each value of this configuration; see `every_effect`."""
    effects = every_effect(summary, of.get(BATCH_SIZE))
    return {name: effect for (name, value), effect in effects.items() if of.get(name) == value}


def every_effect(summary: Summary, batch_size: Value | None) -> dict[tuple[str, Value], Effect]:
    """(knob, value) -> the effect of the value against the knob's default, at that batch size.

    A least-squares fit of log(cost), one row for each configuration measured well at that batch
    size, one column for each value other than a default: effects of knobs multiply. What they do
    not explain widens the intervals. All of them hold at once in 95 % of studies: the error is
    shared out among the columns. Empty where there are too few configurations for a fit.
    """
    here = [m for m in summary.measured if m.batch_size == batch_size]
    rows = ranked(here, summary.objective, None)
    columns = [
        (knob.name, value)
        for knob in summary.space.knobs
        if knob.name not in (WARMUP, BATCH_SIZE)
        for value in knob.domain
        if value != knob.default and any(r.configuration[knob.name] == value for r in rows)
    ]
    freedom = len(rows) - len(columns) - 1
    if not columns or freedom < MIN_FREEDOM:
        return {}
    design = np.array(
        [[1.0, *(r.configuration[name] == value for name, value in columns)] for r in rows]
    )
    costs = np.array([summary.objective.log_cost(r.value or 1.0) for r in rows])
    fit, _, rank, _ = np.linalg.lstsq(design, costs, rcond=None)
    if rank < design.shape[1]:
        return {}
    rest = costs - design @ fit
    variance = float(rest @ rest) / freedom
    errors = np.sqrt(variance * np.diag(np.linalg.inv(design.T @ design)))
    around = t_quantile(1 - ERROR / len(columns) / 2, freedom)
    return {
        column: _effect(-float(fit[number]), around * float(errors[number]))
        for number, column in enumerate(columns, start=1)
    }


def _effect(log_speedup: float, around: float) -> Effect:
    low, high = log_speedup - around, log_speedup + around
    return Effect(math.exp(log_speedup), math.exp(low), math.exp(high))
