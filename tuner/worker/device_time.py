"""Device time of a call without a profiler: events around it, the host given a head start.

Under a slow host the interval between two events contains the host's gaps. So the device is first
given work that lasts longer than the host needs for the call; when it comes to the call, all of it
has been queued, and the interval is the device's time alone. That holds at each task-queue level:
records are queued in order with the operators (NPUEvent::record), and `elapsed_time` drains the
queue first.
"""

from __future__ import annotations

import math
from typing import Any, Callable, List, NamedTuple, Tuple

SIZES = (1024, 2048, 4096, 8192)  # of the matrices; the largest take 2 x 256 MiB
UNIT_MS = 1.0  # of work that is shorter the host's own cost is not negligible
UNIT_OVER_DISPATCH = 5.0
HEAD_START = 2.0  # over the call's latency, which bounds what the host needs for it
MAX_UNITS = 10_000
SAMPLES = 5
DOUBLINGS = 4  # of the head start, until the time no longer falls
SETTLED = 0.1


class Timer(NamedTuple):
    """What a device offers: waiting for it, events (`record`, `elapsed_time` in ms, `query`), work.

    work: size -> a call that queues the product of two square matrices of that size.
    """

    synchronize: Callable[[], Any]
    event: Callable[[], Any]
    work: Callable[[int], Callable[[], Any]]


class DeviceTime(NamedTuple):
    """device_ns: of each sample; gaps only add to it, so the smallest is the truest.

    ahead: was the host ahead of the device? That is: the device was still at its other work when
    the call had returned, and twice the work changes nothing, because at task-queue level 2 a call
    returns before it is launched. Where not, gaps are in `device_ns`: the call waits for the device
    inside.
    """

    device_ns: List[int]
    ahead: bool


def device_time(call: Callable[[], Any], timer: Timer, latency_ns: float) -> DeviceTime:
    """Measure the device time of a call whose synchronised latency is known."""
    unit, unit_ms = _unit(timer)
    units = max(1, min(MAX_UNITS, math.ceil(HEAD_START * latency_ns / 1e6 / unit_ms)))
    shorter, _ = _behind_all(call, timer, unit, units)
    for _ in range(DOUBLINGS):
        units = min(2 * units, MAX_UNITS)
        device_ns, still_busy = _behind_all(call, timer, unit, units)
        settled = min(device_ns) >= (1 - SETTLED) * min(shorter)
        if settled:
            break
        shorter = device_ns
    return DeviceTime(device_ns, settled and still_busy)


def _behind_all(
    call: Callable[[], Any], timer: Timer, unit: Callable[[], Any], units: int
) -> Tuple[List[int], bool]:
    samples = [_behind(call, timer, unit, units) for _ in range(SAMPLES)]
    return [round(ms * 1e6) for ms, _ in samples], all(busy for _, busy in samples)


def _unit(timer: Timer) -> Tuple[Callable[[], Any], float]:
    """Work that lasts much longer than it takes to queue, and how long that is in ms."""
    least_ms = UNIT_OVER_DISPATCH * _alone_ms(timer, timer.work(16))
    for size in SIZES:
        unit = timer.work(size)
        unit_ms = _alone_ms(timer, unit)
        if unit_ms >= max(UNIT_MS, least_ms):
            break
    return unit, max(unit_ms, 1e-3)


def _alone_ms(timer: Timer, unit: Callable[[], Any]) -> float:
    """The smallest of a few: the first loads a kernel, and others may be disturbed."""
    times_ms = []
    for _ in range(4):
        timer.synchronize()
        start, end = timer.event(), timer.event()
        start.record()
        unit()
        end.record()
        timer.synchronize()
        times_ms.append(float(start.elapsed_time(end)))
    return min(times_ms)


def _behind(
    call: Callable[[], Any], timer: Timer, unit: Callable[[], Any], units: int
) -> Tuple[float, bool]:
    """Time of the call in ms behind `units` of work; was the device busy until it was queued?"""
    timer.synchronize()
    start, end = timer.event(), timer.event()
    for _ in range(units):
        unit()
    start.record()
    call()
    still_busy = not start.query()
    end.record()
    timer.synchronize()
    return float(start.elapsed_time(end)), still_busy
