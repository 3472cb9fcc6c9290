"""Objectives: name -> (function of a Measurement, direction, unit). A new one is one function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..worker.protocol import Measurement
from .stats import median


def latency(measurement: Measurement) -> float:
    """Median ms of a synchronised call."""
    return median(measurement.latency_ns) / 1e6


def throughput(measurement: Measurement) -> float:
    """Samples per second of back-to-back calls: the median over blocks."""
    per_block = measurement.calls_per_block * measurement.batch_size
    return per_block / (median(measurement.block_ns) / 1e9)


@dataclass(frozen=True)
class Objective:
    """What is optimised; `direction` is Optuna's word."""

    name: str
    of: Callable[[Measurement], float]
    direction: Literal["minimize", "maximize"]
    unit: str

    def log_cost(self, value: float) -> float:
        """Its logarithm, turned so that less is better: differences are ratios of values."""
        return math.log(value) if self.direction == "minimize" else -math.log(value)

    def speedup(self, value: float, baseline: float) -> float:
        """How many times better than the baseline: above 1 is better."""
        return baseline / value if self.direction == "minimize" else value / baseline


OBJECTIVES = {
    "latency": Objective("latency", latency, "minimize", "ms"),
    "throughput": Objective("throughput", throughput, "maximize", "samples/s"),
}
