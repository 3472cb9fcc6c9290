"""The turns of a run in a heat: warm-up, slices of samples, blocks, and what can be read quickly.

The clock and the synchronise call are arguments: a test passes a counter and gets exact numbers.
"""

from __future__ import annotations

import time
from typing import Any, Callable, List

from . import measure
from .files import text_of
from .measure import Call, Clock
from .protocol import Measurement, MeasurementRule

TURN_NS = 100_000_000
SAMPLES = 4  # in a turn at least
SAMPLES_OF_SLOW, SLOW_NS = 2, 500_000_000
OTHER_EVERY = 3  # each third turn ends with the other kind: blocks, or samples
WARMUP_LIMIT_NS = 5_000_000_000  # no warm-up call begins after it

Counters = Callable[[], List[int]]  # cpu, wait and pressure in ns


def counters() -> List[int]:
    """What this process has used and waited for, and how long any process of the host waited."""
    schedstat = text_of("/proc/self/schedstat").split()
    pressure = text_of("/proc/pressure/cpu").partition("total=")[2].split()
    return [
        time.process_time_ns(),
        int(schedstat[1]) if len(schedstat) > 1 else 0,
        int(pressure[0]) * 1000 if pressure else 0,
    ]


class Turns:
    """What one run measures, turn by turn."""

    def __init__(
        self,
        call: Call,
        synchronize: Call,
        clock: Clock,
        rule: MeasurementRule,
        counters: Counters = counters,
    ) -> None:
        self.call, self.synchronize, self.clock, self.rule = call, synchronize, clock, rule
        self.counters = counters
        self.warmup_ns: List[int] = []
        self.calls_per_block = 0
        self._forget()

    def first_call(self) -> Any:
        """The first of the warm-up; returns its output."""
        _, first_ns, output = measure.timed_call(self.call, self.synchronize, self.clock)
        self.warmup_ns.append(first_ns)
        return output

    def warm_up(self) -> None:
        """As many calls as the rule says, the first included, or as there is time for."""
        began = self.clock()
        while len(self.warmup_ns) < self.rule.warmup_calls:
            if self.clock() - began >= WARMUP_LIMIT_NS:
                break
            self.warmup_ns += measure.warm_up(self.call, self.synchronize, self.clock, 1)

    def take(self, number: int) -> int:
        """The turn of that number; returns how many calls have been scored since the last part."""
        before, started_ns = self.counters(), self.clock()
        _, unscored_ns, _ = measure.timed_call(self.call, self.synchronize, self.clock)
        self.unscored_ns.append(unscored_ns)
        kinds = [self._sample, self._block]
        if self.rule.in_blocks:
            kinds.reverse()
        kinds[0](number, unscored_ns)
        if len(self.turns) % OTHER_EVERY == OTHER_EVERY - 1:
            kinds[1](number, unscored_ns)
        self.turns.append(number)
        self.turn_started_ns.append(started_ns)
        self.used_ns.append([now - then for now, then in zip(self.counters(), before)])
        return len(self.latency_ns)

    def _sample(self, number: int, about_ns: int) -> None:
        """Synchronised calls for `TURN_NS`."""
        least, began, count = SAMPLES_OF_SLOW if about_ns > SLOW_NS else SAMPLES, self.clock(), 0
        while count < least or self.clock() - began < TURN_NS:
            dispatch, latency, _ = measure.timed_call(self.call, self.synchronize, self.clock)
            self.dispatch_ns.append(dispatch)
            self.latency_ns.append(latency)
            self.latency_turns.append(number)
            count += 1

    def _block(self, number: int, about_ns: int) -> None:
        """One block, of the same number of calls each time."""
        if not self.calls_per_block:
            typical_ns = self.latency_ns or [about_ns]
            self.calls_per_block = measure.calls_in(TURN_NS, typical_ns)
        calls = self.calls_per_block
        self.block_ns.append(measure.time_block(self.call, self.synchronize, self.clock, calls))
        self.block_turns.append(number)

    def after_rests(self) -> List[int]:
        """Latency of calls after a rest, where the rule asks for them; kept apart."""
        pause_ms = self.rule.pause_ms
        return measure.after_rests(self.call, self.synchronize, self.clock, pause_ms)

    def part(self, batch_size: int, **copies: List[int]) -> Measurement:
        """What was measured since the last part; a new one begins."""
        cpu, wait, pressure = zip(*self.used_ns) if self.used_ns else ((), (), ())
        measurement = Measurement(
            warmup_ns=list(self.warmup_ns),
            dispatch_ns=self.dispatch_ns,
            latency_ns=self.latency_ns,
            block_ns=self.block_ns,
            calls_per_block=self.calls_per_block,
            batch_size=batch_size,
            latency_turns=self.latency_turns,
            block_turns=self.block_turns,
            turns=self.turns,
            turn_started_ns=self.turn_started_ns,
            unscored_ns=self.unscored_ns,
            turn_cpu_ns=list(cpu),
            turn_wait_ns=list(wait),
            turn_pressure_ns=list(pressure),
            **copies,
        )
        self._forget()
        return measurement

    def _forget(self) -> None:
        self.dispatch_ns: List[int] = []
        self.latency_ns: List[int] = []
        self.latency_turns: List[int] = []
        self.block_ns: List[int] = []
        self.block_turns: List[int] = []
        self.turns: List[int] = []
        self.turn_started_ns: List[int] = []
        self.unscored_ns: List[int] = []
        self.used_ns: List[List[int]] = []
