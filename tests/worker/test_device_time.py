"""Device time behind a head start, on a device of two counters: no clock, no waiting."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tuner.worker.device_time import SAMPLES, DeviceTime, Timer, device_time


@dataclass
class Device:
    """A host that takes `dispatch_ms` to queue an operator, and a device that works it off."""

    dispatch_ms: float
    host_ms: float = 0.0
    free_at_ms: float = 0.0
    sizes: list[int] = field(default_factory=list)

    def queue(self, work_ms: float) -> None:
        self.host_ms += self.dispatch_ms
        self.free_at_ms = max(self.free_at_ms, self.host_ms) + work_ms

    def synchronize(self) -> None:
        self.host_ms = max(self.host_ms, self.free_at_ms)

    def work(self, size: int) -> object:
        self.sizes.append(size)
        return lambda: self.queue((size / 2048) ** 3)

    def timer(self) -> Timer:
        return Timer(self.synchronize, lambda: Event(self), self.work)  # type: ignore[arg-type]


class Event:
    def __init__(self, device: Device) -> None:
        self.device, self.at_ms = device, 0.0

    def record(self) -> None:
        self.at_ms = max(self.device.free_at_ms, self.device.host_ms)

    def query(self) -> bool:
        return self.at_ms <= self.device.host_ms

    def elapsed_time(self, end: Event) -> float:
        return end.at_ms - self.at_ms


@pytest.mark.parametrize("dispatch_ms", [0.01, 0.3, 2.0])
def test_the_hosts_gaps_are_not_in_it(dispatch_ms: float) -> None:
    device = Device(dispatch_ms)

    def call() -> None:
        for _ in range(50):
            device.queue(0.1)

    measured = device_time(call, device.timer(), max(5.0, 50 * dispatch_ms) * 1e6)
    assert measured == DeviceTime([5_000_000] * SAMPLES, ahead=True)


def test_a_call_that_waits_inside_is_told() -> None:
    device = Device(0.5)

    def call() -> None:
        device.queue(1.0)
        device.synchronize()
        device.queue(1.0)

    measured = device_time(call, device.timer(), 3e6)
    assert not measured.ahead


def test_the_work_grows_until_queueing_it_is_negligible() -> None:
    slow = Device(2.0)
    device_time(lambda: slow.queue(1.0), slow.timer(), 3e6)
    assert max(slow.sizes) == 8192
    fast = Device(0.01)
    device_time(lambda: fast.queue(1.0), fast.timer(), 1e6)
    assert max(fast.sizes) == 2048


def test_a_head_start_that_was_too_short_is_doubled_until_nothing_changes() -> None:
    device = Device(0.5)

    def call() -> None:
        for _ in range(400):
            device.queue(0.1)

    # A latency that is taken for a tenth of what it is: the first head start is used up halfway.
    measured = device_time(call, device.timer(), 20e6)
    assert measured == DeviceTime([40_000_000] * SAMPLES, ahead=True)
