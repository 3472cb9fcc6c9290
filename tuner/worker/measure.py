"""Warm-up, synchronised samples, blocks and the stopping rule.

The clock and the synchronise call are arguments: a test passes a counter and gets exact numbers.
"""

from __future__ import annotations

import statistics
import time
from typing import Any, Callable, List, NamedTuple, Tuple

from .protocol import MeasurementRule

Call = Callable[[], Any]
Clock = Callable[[], int]  # ns, monotonic

MIN_SAMPLES_AT_TIME_LIMIT = 5
MIN_BLOCKS = 3
MAX_CALLS_PER_BLOCK = 1000
RESTED_CALLS = 10


class Samples(NamedTuple):
    """Times of synchronised calls, in ns."""

    dispatch_ns: List[int]
    latency_ns: List[int]


def timed_call(call: Call, synchronize: Call, clock: Clock) -> Tuple[int, int, Any]:
    """synchronise, t0, call, t1, synchronise, t2 -> (t1 - t0, t2 - t0, what the call returned)."""
    synchronize()
    start = clock()
    output = call()
    dispatched = clock()
    synchronize()
    return dispatched - start, clock() - start, output


def warm_up(call: Call, synchronize: Call, clock: Clock, calls: int) -> List[int]:
    """Latency of each of `calls` warm-up calls; kept, but never scored."""
    return [timed_call(call, synchronize, clock)[1] for _ in range(calls)]


def sample(call: Call, synchronize: Call, clock: Clock, rule: MeasurementRule) -> Samples:
    """Synchronised calls until the rule is met."""
    samples = Samples([], [])
    started = clock()
    while not _enough(len(samples.latency_ns), clock() - started, rule):
        dispatch, latency, _ = timed_call(call, synchronize, clock)
        samples.dispatch_ns.append(dispatch)
        samples.latency_ns.append(latency)
    return samples


def _enough(count: int, elapsed_ns: int, rule: MeasurementRule) -> bool:
    if elapsed_ns >= rule.max_time_s * 1e9:
        return count >= MIN_SAMPLES_AT_TIME_LIMIT
    return count >= rule.min_samples and elapsed_ns >= rule.min_time_s * 1e9


def calls_per_block(latency_ns: List[int], rule: MeasurementRule) -> int:
    """How many calls make a block of about `rule.block_time_s`; 2 at least: they may overlap."""
    return calls_in(rule.block_time_s * 1e9, latency_ns)


def calls_in(time_ns: float, latency_ns: List[int]) -> int:
    """How many calls last about so long; 2 at least."""
    calls = time_ns / max(1.0, statistics.median(latency_ns))
    return max(2, min(MAX_CALLS_PER_BLOCK, round(calls)))


def after_rests(
    call: Call,
    synchronize: Call,
    clock: Clock,
    pause_ms: float,
    sleep: Callable[[float], Any] = time.sleep,
) -> List[int]:
    """Latency of some calls after a rest each, as a service has them; none without a pause.

    One call before the first rest, so that each begins alike.
    """
    latency_ns: List[int] = []
    if pause_ms:
        timed_call(call, synchronize, clock)
    for _ in range(RESTED_CALLS if pause_ms else 0):
        sleep(pause_ms / 1e3)
        latency_ns.append(timed_call(call, synchronize, clock)[1])
    return latency_ns


def time_block(call: Call, synchronize: Call, clock: Clock, calls: int) -> int:
    """Duration of so many calls back to back, synchronised only at the ends."""
    synchronize()
    start = clock()
    for _ in range(calls):
        call()
    synchronize()
    return clock() - start


def time_blocks(
    call: Call, synchronize: Call, clock: Clock, rule: MeasurementRule, calls: int
) -> List[int]:
    """Duration of each block of `calls` calls back to back, synchronised only at its ends.

    At least three blocks; no more once `rule.max_time_s` has passed.
    """
    blocks: List[int] = []
    began = clock()
    while len(blocks) < rule.blocks:
        if len(blocks) >= MIN_BLOCKS and clock() - began >= rule.max_time_s * 1e9:
            break
        blocks.append(time_block(call, synchronize, clock, calls))
    return blocks
