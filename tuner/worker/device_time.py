"""Device time of a call without a profiler: events around it, the host given a head start.

Under a slow host the interval between two events contains the host's gaps. So the device is first
given work that lasts longer than the host needs for the call; when it comes to the call, all of it
has been queued, and the interval is the device's time alone. That holds at each task-queue level:
records are queued in order with the operators (NPUEvent::record), and `elapsed_time` drains the
queue first.
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

SIZES = (1024, 2048, 4096, 8192)  # of the matrices; the largest take 2 x 256 MiB
UNIT_MS = 1.0  # of work that is shorter the host's own cost is not negligible
UNIT_OVER_DISPATCH = 5.0
HEAD_START = 2.0  # over the call's latency, which bounds what the host needs for it
MAX_UNITS = 10_000
SAMPLES = 5


class Timer(NamedTuple):
    """What a device offers: waiting for it, events (`record`, `elapsed_time` in ms, `query`), work.

    work: size -> a call that queues the product of two square matrices of that size.
    """

    synchronize: Callable[[], Any]
    event: Callable[[], Any]
    work: Callable[[int], Callable[[], Any]]


def device_time(call: Callable[[], Any], timer: Timer, latency_ns: float) -> Dict[str, Any]:
    """Device time of a call whose synchronised latency is known.

    device_ns: of each sample. ahead: was the device still at its other work when the call had
    returned? Where not, the call waits for the device inside, and its gaps are in `device_ns`.
    """
    unit, unit_ms = _unit(timer)
    units = max(1, min(MAX_UNITS, math.ceil(HEAD_START * latency_ns / 1e6 / unit_ms)))
    device_ns: List[int] = []
    ahead = True
    for _ in range(SAMPLES):
        device_ms, still_busy = _behind(call, timer, unit, units)
        device_ns.append(round(device_ms * 1e6))
        ahead = ahead and still_busy
    return {"device_ns": device_ns, "ahead": ahead}


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
    for _ in range(2):  # the first time its kernel may be loaded
        timer.synchronize()
        start, end = timer.event(), timer.event()
        start.record()
        unit()
        end.record()
        timer.synchronize()
    return float(start.elapsed_time(end))


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
