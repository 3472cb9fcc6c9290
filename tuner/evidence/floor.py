"""The floor of a host: the smallest gain that pairs of fresh runs can show on it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ..policy import TOO_BUSY
from .intervals import LOOKS, gain_shown

RATIOS_FOR_FLOOR = 3


@dataclass(frozen=True)
class Gain:
    """What so many pairs show 4 times of 5: 0.02 is a gain of 2 %."""

    pairs: int
    gain: float


@dataclass(frozen=True)
class Floor:
    """How far equal runs differ, and what that leaves to be shown.

    host: standard deviation, over heats, of log(cost) of one and the same settings: what the host
    moved by; None where it was not watched. ratios: of log(cost of a run / cost of its pair).
    values: how many such ratios that is by. gains: at each look of the confirmation.
    """

    host: float | None
    ratios: float
    values: int
    gains: tuple[Gain, ...]

    @property
    def too_busy(self) -> bool:
        """Do even the most pairs show no gain below 2x?"""
        return self.gains[-1].gain > TOO_BUSY


def floor(host: float | None, ratios: float, values: int) -> Floor:
    """The floor of ratios that scatter by so much."""
    gains = (Gain(look.pairs, gain_shown(look.pairs, ratios, look.alpha)) for look in LOOKS)
    return Floor(
        host=None if host is None else round(host, 4),
        ratios=round(ratios, 4),
        values=values,
        gains=tuple(Gain(gain.pairs, round(gain.gain, 4)) for gain in gains),
    )


def of_pairs(costs: Sequence[float], ratios: Sequence[float]) -> Floor | None:
    """Of a configuration paired with itself; None for fewer than three pairs.

    costs: log(cost) of each pair; ratios: log(cost of one of the pair / cost of the other).
    """
    if len(ratios) < RATIOS_FOR_FLOOR:
        return None
    return floor(statistics.stdev(costs), statistics.stdev(ratios), len(ratios))


def of_study(
    host: float | None, spread: float | None, baselines: int, pairs: Sequence[float]
) -> Floor | None:
    """Of a study in turns; None for too few runs.

    spread: standard deviation of so many fresh baselines' ratios to the companion. In a pair both
    are fresh, and the companion is one and the same: hence the root of 2. pairs: log speed-ups of
    the hold-out. Their variances are pooled by their degrees of freedom.
    """
    variances: list[tuple[int, float]] = []
    if spread is not None:
        variances.append((baselines - 1, 2 * spread**2))
    if len(pairs) >= RATIOS_FOR_FLOOR:
        variances.append((len(pairs) - 1, statistics.variance(pairs)))
    if not variances:
        return None
    freedom = sum(count for count, _ in variances)
    pooled = sum(count * variance for count, variance in variances) / freedom
    return floor(host, math.sqrt(pooled), freedom + len(variances))
