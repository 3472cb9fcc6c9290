"""The one schema of the process boundary, imported by both sides.

`spec.json` holds a `TrialSpec`, `result.json` a `TrialResult`; how they are written and read is in
`exchange.py`. Only raw samples cross; every statistic is derived from them later.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Dict, List, Optional

from .facts import Convolutions, Memory, ProbeFacts, ProfileFacts

FORMAT_VERSION = 3
SPEC_FILE = "spec.json"
RESULT_FILE = "result.json"
LOG_FILE = "worker.log"
PART_FILE = "part-{}.json"  # a TrialResult: what a run measured in the heat of that number
STARTED_FILE = "started"  # made by the worker: whatever was to be run before it did run
PHASES_FILE = "phases"  # a line for each that began: its name, and seconds since the launch
LEASE_VARIABLE = "NPU_TUNE_LEASE"  # number of the inherited file that locks the device
TOKEN_VARIABLE = "NPU_TUNE_RUN"  # marks a run's descendants, wherever they moved themselves
UNSET = "unset"  # a knob that is left as the user's environment has it

# What a run in a heat is told, a line each, and what it answers when it has done so. Lines to the
# controller begin with the run's token; what does not is some program's talk.
BEGIN = "begin"  # of a heat: read the witnesses
WARM = "warm"  # first call, output check, warm-up
TURN = "turn"  # of that round: samples, or a block -> how many calls were scored
PART = "part"  # of that heat: write it
LEAVE = "leave"
READY = "ready"  # prepared
ENDED = "ended"  # the supervisor's last word: exit code, or the signal's number below 0
TIMED_OUT = "timeout"  # instead of a code


# What torch, glibc and the C++ runtime say when memory is refused. Also looked for in a dead
# worker's log: some of them end in abort() instead of an exception.
OUT_OF_MEMORY = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory(?! in static TLS)"
    r"|not enough memory|std::bad_alloc|MemoryError|unable to allocate",
    re.IGNORECASE,
)


class Outcome(str, Enum):
    """How a run ended. All but `ok` and `environment_error` are the configuration's doing."""

    OK = "ok"
    UNSUPPORTED = "unsupported"
    OUT_OF_MEMORY = "out_of_memory"
    WRONG_OUTPUT = "wrong_output"
    TIMEOUT = "timeout"
    CRASHED = "crashed"
    ENVIRONMENT_ERROR = "environment_error"


class Role(str, Enum):
    """Why a run is made. `probe` measures nothing: it learns what the environment can do.

    `locate`, before the probe, says which device that will most likely use, and touches none.
    `profile` measures nothing that is scored: it finds out where the time of a call goes.
    `companion` has the baseline's settings and stays alive beside a search, a ruler: what it
    measures is never a run of the baseline.
    """

    LOCATE = "locate"
    PROBE = "probe"
    COMPANION = "companion"
    BASELINE = "baseline"
    SEARCH = "search"
    CONFIRM = "confirm"
    HOLD_OUT = "hold-out"
    ABLATION = "ablation"
    PROFILE = "profile"


@dataclass(frozen=True)
class InputSpec:
    """One input tensor; `shape[0]` is the batch dimension."""

    shape: List[int]
    dtype: str = "float32"


@dataclass(frozen=True)
class ModelSpec:
    """Where the model comes from.

    source: a module of `models/`. reference: a name, a path, or `path-or-module:factory`.
    weights: None (seeded random, calibrated), "DEFAULT" (the source's own) or a state-dict file.
    inputs: empty where the model source brings example inputs of its own, or its usual shape.
    folder: put on `sys.path` before a user's module is imported.
    batch: the dimension of the inputs that is the batch, "none", or "auto" for the first, if it is.
    gradients: it needs them. not_comparable: why its outputs are not; "" where they are.
    """

    source: str
    reference: str
    weights: Optional[str] = None
    inputs: List[InputSpec] = field(default_factory=list)
    folder: str = ""
    batch: str = "auto"
    gradients: bool = False
    not_comparable: str = ""

    @property
    def batch_dim(self) -> Optional[int]:
        """The dimension; None where there is none."""
        known: Dict[str, Optional[int]] = {"auto": 0, "none": None}
        return known[self.batch] if self.batch in known else int(self.batch)


@dataclass(frozen=True)
class KnobSetting:
    """One knob with the value to apply, or `unset`.

    apply: environment (already done when the worker starts), process, input, model or measurement.
    handler: module of `knobs/` that applies the value or reads it back; "" where there is none.
    variables: the environment variables that carry the value, for `apply: environment`.
    """

    name: str
    value: Any
    apply: str
    handler: str = ""
    variables: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MeasurementRule:
    """When to stop: after `min_samples` and `min_time_s`, or earlier after `max_time_s`.

    All but the first of these are of a run alone; turns are as `turns.py` has them. in_blocks: what
    a turn is made of first, blocks or samples. timed_region: inference, inference+d2h or
    end-to-end. pause_ms: the rest before each of some calls that are not scored; 0: there are none.
    """

    warmup_calls: int = 10
    min_samples: int = 100
    min_time_s: float = 1.0
    max_time_s: float = 5.0
    blocks: int = 5
    block_time_s: float = 0.2
    timed_region: str = "inference"
    in_blocks: bool = False
    pause_ms: float = 0.0


@dataclass(frozen=True)
class VariableRule:
    """Which values of a variable mean anything: a pattern of the whole; `allowed` is for people."""

    pattern: str
    allowed: str


@dataclass(frozen=True)
class ProbeRequest:
    """What the controller wants to know before a study.

    values: to try, by handler. libraries: to look for, such as libjemalloc.so.2. variables: to be
    compared with the environment as it really is.
    """

    values: Dict[str, List[Any]] = field(default_factory=dict)
    libraries: List[str] = field(default_factory=list)
    variables: Dict[str, VariableRule] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialSpec:
    """Everything that one run needs."""

    study: str
    trial: int
    role: Role
    backend: str
    model: ModelSpec
    knobs: List[KnobSetting] = field(default_factory=list)
    batch_size: Optional[int] = None  # None: as the example inputs have it
    rule: MeasurementRule = field(default_factory=MeasurementRule)
    device: Optional[int] = None
    seed: int = 0
    deadline_s: float = 600.0
    cpus: List[int] = field(default_factory=list)  # empty: no restriction
    memory_limit_bytes: Optional[int] = None
    tolerance: Optional[float] = None  # None: by the type of each output
    compare: str = ""  # a user's own judgement instead, as path-or-module:function
    weights_path: str = ""  # shared by all runs of the study, written by the probe
    inputs_path: str = ""  # the same
    exports_path: str = ""  # folder for the files that engines load; made once for all runs
    reference_path: str = ""  # the baseline's output for this input shape, written by the baseline
    probe: Optional[ProbeRequest] = None
    profile_folder: str = ""  # where the profiler writes; its path of [A-Za-z0-9_-] only
    block: int = 0  # of a confirm or ablation run its block, of a hold-out run its pair
    heat: int = 0  # 0: alone. A companion's is that of its part
    companion: int = 0  # of a companion, or of a run beside one: which process it is, from 1
    after_trials: int = 0  # how long the search was that is confirmed: a longer one needs another
    launched_ns: int = 0  # monotonic clock of the controller
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True)
class ReadBack:
    """What a knob is, after it was applied. `certain` is False where it could not be seen."""

    value: Any
    certain: bool
    how: str


@dataclass(frozen=True)
class OutputCheck:
    """The output against the baseline's.

    status: passed, failed, reference (this run's output became the reference) or impossible.
    relative_error: largest absolute difference over the reference's largest absolute value.
    others: what came of other inputs of the same shapes: passed, why they were not looked at, or ""
    for a configuration that keeps nothing of its inputs. by: the user's function that said so.
    """

    status: str
    digest: str = ""
    relative_error: Optional[float] = None
    reason: str = ""
    others: str = ""
    by: str = ""


@dataclass(frozen=True)
class Measurement:
    """Raw times of one run, in ns, in the order in which they were taken.

    dispatch_ns: call returned; latency_ns: device done. Both from the same synchronised start.
    block_ns: `calls_per_block` calls back to back between two synchronises. rested_ns: latency of
    calls after a rest.

    In a heat: latency_turns, block_turns: the number of each one's turn, the same for all that had
    theirs in one round. turns: those numbers in order, and for each: turn_started_ns (monotonic
    clock of the host), unscored_ns (its first call), turn_cpu_ns (of this process), turn_wait_ns
    (of its main thread, for a processor; schedstat), turn_pressure_ns (of all of the host; 0 where
    the kernel has no /proc/pressure).
    """

    warmup_ns: List[int]
    dispatch_ns: List[int]
    latency_ns: List[int]
    block_ns: List[int]
    calls_per_block: int
    batch_size: int
    host_to_device_ns: List[int] = field(default_factory=list)
    device_to_host_ns: List[int] = field(default_factory=list)
    rested_ns: List[int] = field(default_factory=list)
    latency_turns: List[int] = field(default_factory=list)
    block_turns: List[int] = field(default_factory=list)
    turns: List[int] = field(default_factory=list)
    turn_started_ns: List[int] = field(default_factory=list)
    unscored_ns: List[int] = field(default_factory=list)
    turn_cpu_ns: List[int] = field(default_factory=list)
    turn_wait_ns: List[int] = field(default_factory=list)
    turn_pressure_ns: List[int] = field(default_factory=list)


@dataclass(frozen=True)
class TrialResult:
    """What one run produced. `measurement` is None unless the outcome is `ok`.

    probe, profile: of runs that are made for them. convolutions: of measured ones on an NPU.
    warnings: of how the model is executed; torch's own among them. set_again: knobs that the
    model's own code had set back. exported: the file that was called in the model's place.
    """

    outcome: Outcome
    message: str = ""
    phases_s: Dict[str, float] = field(default_factory=dict)
    measurement: Optional[Measurement] = None
    output: Optional[OutputCheck] = None
    read_back: Dict[str, ReadBack] = field(default_factory=dict)
    peak_memory_bytes: Optional[int] = None
    memory: Optional[Memory] = None
    fingerprint: Dict[str, Any] = field(default_factory=dict)
    witnesses_before: Dict[str, float] = field(default_factory=dict)
    witnesses_after: Dict[str, float] = field(default_factory=dict)
    probe: Optional[ProbeFacts] = None
    profile: Optional[ProfileFacts] = None
    convolutions: Optional[Convolutions] = None
    warnings: List[str] = field(default_factory=list)
    set_again: List[str] = field(default_factory=list)
    exported: str = ""
    format_version: int = FORMAT_VERSION
