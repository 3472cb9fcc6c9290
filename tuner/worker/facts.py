"""What a worker tells beside times: of its environment, of a profiled call, of convolutions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List, Optional


@dataclass(frozen=True)
class ProbeFacts:
    """What a probe has learnt; of `locate` the backend alone.

    backend_reason: why it is this one, or why the one asked for cannot be used.
    batch_size, inputs, parameters: the model's; None and empty where none was named. no_batch: why
    it has no batch size. gradients, not_comparable: as in `ModelSpec`.
    missing: handler -> value -> why it cannot be used, "" where it can.
    libraries: file name -> path, "" where there is none; preload_faults: file name -> why it cannot
    be preloaded, "" where it can. preload: LD_PRELOAD.
    settings: variables that are lists of settings, as the user has them.
    refused: variables of the environment -> their values, which mean nothing.
    changed: settings of the process that the model's own code changes, each with before and after.
    cann: the version that its installation's files say, "" where there is none. npus: what
    tells that there are some, usable or not. throttled_s: for how long the quota of its
    cgroups has stopped threads. transferred: the model imports torch_npu's transfer_to_npu.
    subnormal_in: where that share of a tensor's values is subnormal; "" for nowhere.
    """

    backend: str = ""
    backend_reason: str = ""
    batch_size: Optional[int] = None
    inputs: List[str] = field(default_factory=list)
    parameters: Optional[int] = None
    missing: Dict[str, Dict[str, str]] = field(default_factory=dict)
    libraries: Dict[str, str] = field(default_factory=dict)
    preload_faults: Dict[str, str] = field(default_factory=dict)
    preload: str = ""
    refused: Dict[str, str] = field(default_factory=dict)
    cann: str = ""
    no_batch: str = ""
    gradients: bool = False
    not_comparable: str = ""
    changed: List[str] = field(default_factory=list)
    npus: List[str] = field(default_factory=list)
    throttled_s: float = 0.0
    transferred: bool = False
    settings: Dict[str, str] = field(default_factory=dict)
    subnormal_in: str = ""
    subnormal_share: float = 0.0


@dataclass(frozen=True)
class OperatorTime:
    """An operator of the host over all traced calls: how often, and its own time."""

    name: str
    calls: int
    own_ns: int


@dataclass(frozen=True)
class ProfileFacts:
    """Where the time of a call goes. Each time is of one call, in ns.

    device_ns: the device's own, from events; None where the host is the device. ahead: was the host
    ahead of it, so that no gap is in those? traced_ns: under the profiler.
    fallbacks: operators that ran on the CPU. operators: None where the profiler tells none.
    faults_per_call: minor page faults. kernel_share: of the process's time on processors.
    device_error, profiler_error: why there is no device time, or no trace.
    missing_activities: those without which alone the profiler worked.
    """

    dispatch_ns: List[int]
    latency_ns: List[int]
    fallbacks: List[str]
    faults_per_call: float
    kernel_share: float
    host_to_device_ns: List[int] = field(default_factory=list)
    device_to_host_ns: List[int] = field(default_factory=list)
    device_ns: Optional[List[int]] = None
    ahead: bool = False
    device_error: str = ""
    traced_ns: List[int] = field(default_factory=list)
    operators: Optional[List[OperatorTime]] = None
    profiler_error: str = ""
    missing_activities: List[str] = field(default_factory=list)


@dataclass(frozen=True)
class Memory:
    """What a run took at its peak and what was free beside it, in bytes; None where unknown.

    Of the host, and of the device where that has its own.
    """

    host_peak_bytes: Optional[int]
    host_free_bytes: Optional[int]
    device_peak_bytes: Optional[int] = None
    device_free_bytes: Optional[int] = None


@dataclass(frozen=True)
class Convolutions:
    """Which path convolutions took: aclnn, aclop, mixed, or "" where none was seen."""

    path: str
    how: str
