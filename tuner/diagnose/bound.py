"""From the times of a call to what bounds it, and which knobs that points to. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ..language import N_
from ..space.model import Value

Kind = Literal["dispatch-bound", "device-bound", "copy-bound", "overhead-bound", "operator-bound"]

IDLE_SHARE = 0.3  # of a call: above it the host is worth more attention than the device
COPY_SHARE = 0.5  # of copies in, call and copies out
OVERHEAD_SHARE = 0.3  # of a call on the CPU that lies outside of operators
KERNEL_SHARE = 0.1  # of the processor time that the operating system takes
CONVERSION_SHARE = 0.1

EVENTS = "device events"  # the source of a device time that no file of the profiler told

# What a kind points to, knob and value ("" where only the knob is known).
POINTERS: dict[Kind, tuple[tuple[str, Value], ...]] = {
    "dispatch-bound": (
        ("task_queue", 2),
        ("jit_compile", "off"),
        ("internal_format", "off"),
        ("execution", "npugraph"),
        ("cpu_affinity", ""),
        ("batch_size", ""),
    ),
    "device-bound": (("internal_format", ""), ("jit_compile", ""), ("precision", "")),
    "copy-bound": (("batch_size", ""),),
    "overhead-bound": (
        ("execution", "torchscript"),
        ("execution", "inductor"),
        ("batch_size", ""),
    ),
    "operator-bound": (
        ("execution", "inductor-freezing"),
        ("memory_format", "channels_last"),
        ("threads", ""),
    ),
}
MANY_CONVERSIONS = ("internal_format", "off")
MANY_FAULTS = ("allocator", "glibc-keep")

REASONS = {
    "task_queue=2": N_("prepares and launches operators on a second thread"),
    "jit_compile=off": N_("takes the path without on-line compilation"),
    "internal_format=off": N_("convolutions stay on the aclnn path, nothing is converted"),
    "execution=npugraph": N_("a captured graph is launched as one"),
    "cpu_affinity": N_("the threads that dispatch stay on cores near the device"),
    "batch_size": N_("a larger batch shares the cost of a call"),
    "internal_format": N_("the format decides which kernels run"),
    "jit_compile": N_("kernels compiled for the shape may be faster"),
    "precision": N_("lower precision is faster, and computes something else"),
    "execution=torchscript": N_("no Python between the operators"),
    "execution=inductor": N_("fused operators, fewer calls"),
    "execution=inductor-freezing": N_("fused operators with packed weights"),
    "memory_format=channels_last": N_("convolutions without reordering"),
    "threads": N_("how many processors an operator uses"),
    "allocator=glibc-keep": N_("keeps memory instead of faulting it in again"),
}


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
    """A knob that is worth a try, as KNOB=VALUE or KNOB, and why (English)."""

    setting: str
    why: str


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
    that share went to nothing. None: the device's times are not known.
    """

    kind: Kind
    share: float
    source: str
    at_most: float | None
    pointers: tuple[Pointer, ...]


def diagnose_device(times: Times, shares: Shares, settings: Mapping[str, Value]) -> Diagnosis:
    """dispatch-, device- or copy-bound. settings: knobs of the space, as they were read back."""
    whole_ms = times.latency_ms + times.copies_ms
    if times.copies_ms > COPY_SHARE * whole_ms:
        share = times.copies_ms / whole_ms
        return _diagnosis("copy-bound", share, "copies timed apart", settings)
    idle, source = idle_share(times, shares)
    if idle is not None and idle < IDLE_SHARE and not times.device_certain:
        idle = None  # an upper bound of the device's work shows no device-bound call
    if idle is None:
        share = min(1.0, times.unsynchronised_ms / times.latency_ms)
        kind: Kind = "dispatch-bound" if share > 1 - IDLE_SHARE else "device-bound"
        return _diagnosis(kind, 0.0, "", settings)
    if idle >= IDLE_SHARE:
        return _diagnosis("dispatch-bound", idle, source, settings)
    extra = (MANY_CONVERSIONS,) if shares.conversions > CONVERSION_SHARE else ()
    return _diagnosis("device-bound", idle, source, settings, extra)


def idle_share(times: Times, shares: Shares) -> tuple[float | None, str]:
    """The part of a call in which the device idles, and where that comes from.

    The device's working time over the latency without a profiler, because a profiler slows the
    host and so adds gaps; the trace's own share where that time is not known.
    """
    if times.device_ms is not None:
        return max(0.0, 1 - times.device_ms / times.latency_ms), times.device_source
    return shares.idle_in_trace, shares.idle_source


def diagnose_cpu(shares: Shares, settings: Mapping[str, Value]) -> Diagnosis:
    """overhead-, copy- or operator-bound: what a call on the host spends most on."""
    extra = (MANY_FAULTS,) if shares.kernel > KERNEL_SHARE else ()
    if shares.outside is None:
        return _diagnosis("operator-bound", 0.0, "", settings, extra)
    outside, source = shares.outside, "torch.profiler"
    if outside >= OVERHEAD_SHARE:
        return _diagnosis("overhead-bound", outside, source, settings, extra)
    if shares.layout >= COPY_SHARE:
        return _diagnosis("copy-bound", shares.layout, source, settings, extra)
    return _diagnosis("operator-bound", 1 - outside, source, settings, extra)


def _diagnosis(
    kind: Kind,
    share: float,
    source: str,
    settings: Mapping[str, Value],
    extra: Sequence[tuple[str, Value]] = (),
) -> Diagnosis:
    removable = kind in ("dispatch-bound", "copy-bound", "overhead-bound") and 0 < share < 1
    worth_trying = [
        knob if value == "" else f"{knob}={value}"
        for knob, value in [*extra, *POINTERS[kind]]
        if knob in settings and (value == "" or settings[knob] != value)
    ]
    return Diagnosis(
        kind=kind,
        share=round(share, 4),
        source=source,
        at_most=round(1 / (1 - share), 3) if removable else None,
        pointers=tuple(Pointer(setting, REASONS[setting]) for setting in worth_trying),
    )
