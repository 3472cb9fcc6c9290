"""A run's turns with a clock that only calls move: exact numbers."""

from __future__ import annotations

from tuner.worker.protocol import MeasurementRule
from tuner.worker.turns import TURN_NS, WARMUP_LIMIT_NS, Turns

MS = 1_000_000


class Host:
    """Its clock; each call takes `call_ns`, half of it before it returns."""

    def __init__(self, call_ns: int) -> None:
        self.now_ns, self.call_ns, self.pending_ns, self.read = 0, call_ns, 0, 0

    def call(self) -> str:
        """Half of its time on the host, half on the device."""
        self.now_ns += self.call_ns // 2
        self.pending_ns += self.call_ns // 2
        return "output"

    def synchronize(self) -> None:
        """Wait for the device."""
        self.now_ns, self.pending_ns = self.now_ns + self.pending_ns, 0

    def counters(self) -> list[int]:
        """Grow by one, two and three at each reading."""
        self.read += 1
        return [self.read, 2 * self.read, 3 * self.read]

    def turns(self, warmup_calls: int = 10, in_blocks: bool = False) -> Turns:
        """The turns of a run here."""
        rule = MeasurementRule(warmup_calls=warmup_calls, in_blocks=in_blocks)
        return Turns(self.call, self.synchronize, lambda: self.now_ns, rule, self.counters)


def test_a_turn_lasts_a_tenth_of_a_second_after_one_call_that_is_not_scored() -> None:
    host = Host(10 * MS)
    turns = host.turns()
    assert [turns.take(number) for number in (0, 1)] == [10, 20]
    assert host.now_ns == 2 * (10 * MS + TURN_NS)
    part = turns.part(batch_size=1)
    assert part.latency_ns == [10 * MS] * 20
    assert part.dispatch_ns == [5 * MS] * 20
    assert part.latency_turns == [0] * 10 + [1] * 10
    assert (part.turns, part.unscored_ns) == ([0, 1], [10 * MS] * 2)
    assert part.turn_started_ns == [0, 110 * MS]
    assert part.block_ns == []


def test_a_turn_has_four_calls_however_long_and_two_of_very_slow_ones() -> None:
    assert Host(54 * MS).turns().take(0) == 4
    assert Host(600 * MS).turns().take(0) == 2


def test_every_third_turn_ends_with_a_block() -> None:
    turns = Host(10 * MS).turns()
    for number in range(7):
        turns.take(number)
    part = turns.part(1)
    assert part.block_turns == [2, 5]
    assert (part.calls_per_block, part.block_ns) == (10, [100 * MS] * 2)


def test_under_throughput_a_turn_is_a_block_and_every_third_has_samples_too() -> None:
    turns = Host(60 * MS).turns(in_blocks=True)
    assert [turns.take(number) for number in range(4)] == [0, 0, 4, 4]
    part = turns.part(8)
    assert part.block_turns == [0, 1, 2, 3]
    assert (part.calls_per_block, part.block_ns) == (2, [120 * MS] * 4)
    assert part.latency_turns == [2] * 4


def test_the_warm_up_holds_the_first_call_and_ends_when_it_has_taken_too_long() -> None:
    turns = Host(10 * MS).turns(warmup_calls=5)
    assert turns.first_call() == "output"
    turns.warm_up()
    assert turns.warmup_ns == [10 * MS] * 5
    slow = Host(1500 * MS).turns(warmup_calls=50)
    slow.first_call()
    slow.warm_up()
    assert len(slow.warmup_ns) == 1 + -(-WARMUP_LIMIT_NS // (1500 * MS))


def test_a_part_has_what_was_measured_since_the_last_one_and_the_warm_up() -> None:
    turns = Host(10 * MS).turns()
    turns.first_call()
    turns.take(0)
    turns.part(1)
    turns.take(4)
    part = turns.part(1)
    assert (part.turns, len(part.latency_ns), part.warmup_ns) == ([4], 10, [10 * MS])


def test_what_a_turn_used_is_what_the_counters_grew_by() -> None:
    turns = Host(10 * MS).turns()
    turns.take(0)
    turns.take(1)
    part = turns.part(1)
    used = part.turn_cpu_ns, part.turn_wait_ns, part.turn_pressure_ns
    assert used == ([1, 1], [2, 2], [3, 3])
