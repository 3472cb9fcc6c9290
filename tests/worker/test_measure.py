"""Timing with an injected clock: exact numbers, and the order of clock and synchronise."""

from __future__ import annotations

from tuner.worker import measure
from tuner.worker.protocol import MeasurementRule


class Device:
    """A clock that only the device and the host's calls move, and a log of what happened."""

    def __init__(self, host_ns: int, device_ns: int) -> None:
        self.now = 0
        self.pending = 0
        self.host_ns, self.device_ns = host_ns, device_ns
        self.log: list[str] = []

    def clock(self) -> int:
        self.log.append("clock")
        return self.now

    def call(self) -> str:
        self.log.append("call")
        self.now += self.host_ns
        self.pending += self.device_ns
        return "output"

    def synchronize(self) -> None:
        self.log.append("synchronize")
        self.now += self.pending
        self.pending = 0


def test_a_call_is_timed_between_two_synchronises() -> None:
    device = Device(host_ns=3, device_ns=10)
    dispatch, latency, output = measure.timed_call(device.call, device.synchronize, device.clock)
    assert device.log == ["synchronize", "clock", "call", "clock", "synchronize", "clock"]
    assert (dispatch, latency, output) == (3, 13, "output")


def test_work_that_was_pending_before_is_not_counted() -> None:
    device = Device(host_ns=3, device_ns=10)
    device.pending = 1000
    assert measure.timed_call(device.call, device.synchronize, device.clock)[1] == 13


def test_warm_up_makes_exactly_the_asked_calls() -> None:
    device = Device(host_ns=1, device_ns=1)
    assert measure.warm_up(device.call, device.synchronize, device.clock, 4) == [2, 2, 2, 2]


def test_sampling_stops_at_the_minimum_count_when_the_time_is_met() -> None:
    device = Device(host_ns=10**8, device_ns=0)
    rule = MeasurementRule(min_samples=7, min_time_s=0.3, max_time_s=100)
    samples = measure.sample(device.call, device.synchronize, device.clock, rule)
    assert samples.latency_ns == [10**8] * 7


def test_sampling_goes_on_until_the_minimum_time() -> None:
    device = Device(host_ns=10**8, device_ns=0)
    rule = MeasurementRule(min_samples=2, min_time_s=1.0, max_time_s=100)
    assert len(measure.sample(device.call, device.synchronize, device.clock, rule).latency_ns) == 10


def test_sampling_stops_at_the_maximum_time_but_not_below_five_samples() -> None:
    device = Device(host_ns=10**9, device_ns=0)
    rule = MeasurementRule(min_samples=100, min_time_s=1.0, max_time_s=8.0)
    assert len(measure.sample(device.call, device.synchronize, device.clock, rule).latency_ns) == 8
    slow = Device(host_ns=10**10, device_ns=0)
    assert len(measure.sample(slow.call, slow.synchronize, slow.clock, rule).latency_ns) == 5


def test_a_block_overlaps_calls_that_lone_calls_cannot() -> None:
    device = Device(host_ns=3, device_ns=10)
    rule = MeasurementRule(blocks=4)
    blocks = measure.time_blocks(device.call, device.synchronize, device.clock, rule, calls=5)
    assert blocks == [5 * 3 + 5 * 10] * 4
    assert device.log.count("synchronize") == 2 * 4


def test_blocks_stop_at_three_when_the_time_is_over() -> None:
    device = Device(host_ns=10**9, device_ns=0)
    rule = MeasurementRule(blocks=10, max_time_s=0.5)
    assert len(measure.time_blocks(device.call, device.synchronize, device.clock, rule, 2)) == 3


def test_a_block_has_two_calls_at_least_and_a_thousand_at_most() -> None:
    rule = MeasurementRule(block_time_s=0.2)
    assert measure.calls_per_block([10**9], rule) == 2
    assert measure.calls_per_block([2 * 10**7], rule) == 10
    assert measure.calls_per_block([1], rule) == 1000


def test_calls_after_a_rest_are_timed_without_the_rest() -> None:
    device, rests = Device(host_ns=3, device_ns=10), list[float]()
    means = device.call, device.synchronize, device.clock
    assert measure.after_rests(*means, 20.0, rests.append) == [13] * 10
    assert (rests, device.log.count("call")) == ([0.02] * 10, 11)
    assert measure.after_rests(*means, 0.0, rests.append) == []
    assert device.log.count("call") == 11
