"""From the times of a call to what bounds it, and which knobs that points to. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..policy import BATCH_SIZE
from ..space.model import Configuration, SearchSpace
from ..space.schema import KnobEntry, Need

Kind = Literal["dispatch-bound", "device-bound", "copy-bound", "overhead-bound", "operator-bound"]

IDLE_SHARE = 0.3  # of a call: above it the host is worth more attention than the device
COPY_SHARE = 0.5  # of copies in, call and copies out
OVERHEAD_SHARE = 0.3  # of a call on the CPU that lies outside of operators
KERNEL_SHARE = 0.1  # of the processor time that the operating system takes
CONVERSION_SHARE = 0.1

EVENTS = "device events"  # the source of a device time that no file of the profiler told


@dataclass(frozen=True)
class Times:
    """Medians of one call, in ms; None where that does not exist or could not be measured.

    unsynchronised_ms: until the call returns. device_ms: in which the device works, from
    `device_source`; an upper bound where `device_certain` is False. traced_ms: the call under the
    profiler.
    """

    latency_ms: float
    unsynchronised_ms: float
    device_ms: float | None = None
    device_source: str = ""
    device_certain: bool = True
    copy_in_ms: float | None = None
    copy_out_ms: float | None = None
    traced_ms: float | None = None

    @property
    def copies_ms(self) -> float:
        """In and out together."""
        return (self.copy_in_ms or 0.0) + (self.copy_out_ms or 0.0)


@dataclass(frozen=True)
class Pointer:
    """A knob that is worth a try, as KNOB=VALUE or KNOB, and what it does."""

    setting: str
    why: str
    why_zh: str = ""


@dataclass(frozen=True)
class Shares:
    """Parts of the time that say why. outside, layout: CPU only, of a call under the profiler."""

    idle_in_trace: float | None = None  # under the profiler, which slows the host
    idle_source: str = ""  # the file that it comes from
    conversions: float = 0.0
    ai_cpu: float = 0.0
    outside: float | None = None
    layout: float = 0.0
    kernel: float = 0.0


@dataclass(frozen=True)
class Diagnosis:
    """What bounds a call. `share`: of the device's idling, or of what the kind is named after.

    source: where the share comes from. at_most: how many times faster the call could become if
    that share went to nothing. None: the device's times are not known. pointers: knobs that may
    help.
    """

    kind: Kind
    share: float
    source: str
    at_most: float | None
    pointers: tuple[Pointer, ...] = ()


def diagnose_device(times: Times, shares: Shares) -> Diagnosis:
    """dispatch-, device- or copy-bound."""
    whole_ms = times.latency_ms + times.copies_ms
    if times.copies_ms > COPY_SHARE * whole_ms:
        return _diagnosis("copy-bound", times.copies_ms / whole_ms, "copies timed apart")
    idle, source = idle_share(times, shares)
    if idle is not None and idle < IDLE_SHARE and not times.device_certain:
        idle = None  # an upper bound of the device's work shows no device-bound call
    if idle is None:
        share = min(1.0, times.unsynchronised_ms / times.latency_ms)
        return _diagnosis("dispatch-bound" if share > 1 - IDLE_SHARE else "device-bound", 0.0, "")
    return _diagnosis("dispatch-bound" if idle >= IDLE_SHARE else "device-bound", idle, source)


def idle_share(times: Times, shares: Shares) -> tuple[float | None, str]:
    """The part of a call in which the device idles, and where that comes from.

    The device's working time over the latency without a profiler, because a profiler slows the
    host and so adds gaps; the trace's own share where that time is not known.
    """
    if times.device_ms is not None:
        return max(0.0, 1 - times.device_ms / times.latency_ms), times.device_source
    return shares.idle_in_trace, shares.idle_source


def diagnose_cpu(shares: Shares) -> Diagnosis:
    """overhead-, copy- or operator-bound: what a call on the host spends most on."""
    if shares.outside is None:
        return _diagnosis("operator-bound", 0.0, "")
    outside, source = shares.outside, "torch.profiler"
    if outside >= OVERHEAD_SHARE:
        return _diagnosis("overhead-bound", outside, source)
    if shares.layout >= COPY_SHARE:
        return _diagnosis("copy-bound", shares.layout, source)
    return _diagnosis("operator-bound", 1 - outside, source)


def _diagnosis(kind: Kind, share: float, source: str) -> Diagnosis:
    removable = kind in ("dispatch-bound", "copy-bound", "overhead-bound") and 0 < share < 1
    at_most = round(1 / (1 - share), 3) if removable else None
    return Diagnosis(kind, round(share, 4), source, at_most)


def needs(kind: Kind, shares: Shares) -> list[Need]:
    """What a knob may help against, the most particular first."""
    particular: list[Need] = []
    if kind == "device-bound" and shares.conversions > CONVERSION_SHARE:
        particular.append("conversions")
    if shares.kernel > KERNEL_SHARE:
        particular.append("page-faults")
    return [*particular, kind]


def pointers(
    needed: Sequence[Need],
    entries: Mapping[str, KnobEntry],
    space: SearchSpace,
    configuration: Configuration,
    read_back: Configuration,
) -> Iterator[Pointer]:
    """The knobs that the search space files point to, where the space has another value for them.

    read_back: what knobs are, where that is certain.
    """
    for need in needed:
        for name, entry in entries.items():
            knob, values = space.knob(name), entry.helps_when.get(need, [])
            if knob is None or len(knob.domain) < 2:
                continue
            if values == "any":
                is_left = configuration[name] == knob.default
                settings = [name] if is_left or name == BATCH_SIZE else []
            else:
                value_now = read_back.get(name, configuration[name])
                offered = [v for v in values if v in knob.domain and v != value_now]
                settings = [f"{name}={value}" for value in offered]
            yield from (Pointer(setting, entry.why, entry.why_zh) for setting in settings)
