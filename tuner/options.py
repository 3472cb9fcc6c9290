"""What a study is asked to do, and the parsing of the parts that come as text."""

from __future__ import annotations

import math
import os
import re
import reprlib
import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .errors import UsageError
from .policy import BASELINE_RUNS, MAX_PAIRS, MIN_PAIRS, PRACTICAL_EFFECT
from .worker.protocol import InputSpec, ModelSpec

DTYPES = (
    "float32", "float16", "bfloat16", "float64", "int64", "int32", "int16", "int8", "uint8", "bool",
)  # fmt: skip
RESULTS = Path("results")
DEFAULT_STORAGE = "sqlite:///results/npu-tune.db"
BACKENDS = ("auto", "npu", "cpu")
OBJECTIVES = ("latency", "throughput")  # those of evidence/objectives.py
TIMED_REGIONS = ("inference", "inference+d2h", "end-to-end")
AUTO, OFF = "auto", "off"
BASELINE_DEADLINE_S = 600.0
SEQUENCES = ("inputs", "cpus", "without")  # fields of Setup that are lists in JSON
LONGEST_RUN_S = 7 * 24 * 3600
CHOICES = {"objective": OBJECTIVES, "backend": BACKENDS, "timed_region": TIMED_REGIONS}
OPTIONS = {  # fields whose option has another name
    "budget_s": "--budget", "timeout_s": "--timeout", "memory_limit_bytes": "--memory-limit",
    "inputs": "--input",
}  # fmt: skip
UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True)
class Setup:
    """The options of a study. Stored with it; a resumed study keeps them."""

    model: str
    trials: int = 40
    backend: str = "auto"
    space: str = ""  # name or file; "" is the backend's own
    pins: dict[str, str] = field(default_factory=dict)
    objective: str = "latency"
    max_latency_ms: float | None = None
    timed_region: str = "inference"
    inputs: tuple[str, ...] = ()
    weights: str | None = None
    timeout_s: float | None = None  # None: from the baseline's own duration
    memory_limit_bytes: int | None = None
    seed: int = 0
    cpus: tuple[int, ...] = ()
    device: int | None = None  # None: the first that is visible
    python: str = ""
    env_script: str = ""  # sourced for the worker alone, such as CANN's set_env.sh
    launch_prefix: str = ""  # such as `docker exec -i cann80`
    tolerance: float = 1e-3
    allow_lossy: bool = False
    confirm: str = AUTO  # auto, off, or a number of pairs
    ablate: bool = False  # after a confirmed win: which of its knobs matter
    baseline_runs: int = BASELINE_RUNS
    budget_s: float | None = None  # instead of trials
    target_effect: float | None = None  # 0.02: as many pairs as show a gain of 2 %
    spent: float = 0.0  # how often looks at the hold-out under an earlier `confirm` may err
    without: tuple[str, ...] = ()  # variables that the workers do not inherit: for a check
    folder: str = ""  # where the user stood: relative names are looked up there

    def check(self) -> Setup:
        """Refuse what means nothing or contradicts itself. Raises UsageError."""
        for name, is_allowed, allowed in NUMBERS:
            value = getattr(self, name)
            if value is None and getattr(Setup, name) is None:
                continue
            if not isinstance(value, (int, float)) or not is_allowed(value):
                raise _refused(name, value, allowed)
        for name, words in CHOICES.items():
            if getattr(self, name) not in words:
                allowed = f"{', '.join(words[:-1])} or {words[-1]}"
                raise _refused(name, getattr(self, name), f"must be {allowed}")
        if self.max_latency_ms is not None and self.objective != "throughput":
            raise UsageError(
                f"{called('max_latency_ms')} limits {called('objective')} throughput: choose that"
            )
        self._check_confirmation()
        try:
            shlex.split(self.launch_prefix)
        except ValueError as error:
            named = called("launch_prefix")
            raise UsageError(f"{named} {self.launch_prefix}: {error}") from error
        return self

    def _check_confirmation(self) -> None:
        pairs = int(self.confirm) if re.fullmatch("[0-9]{1,4}", self.confirm) else 0
        if self.confirm not in (AUTO, OFF) and not MIN_PAIRS <= pairs <= MAX_PAIRS:
            allowed = f"must be auto, off or a number of pairs from {MIN_PAIRS} to {MAX_PAIRS}"
            raise _refused("confirm", self.confirm, allowed)
        if self.target_effect is not None and self.confirm != AUTO:
            raise UsageError(
                f"{called('target_effect')} plans the confirmation itself: "
                f"leave out {called('confirm')}"
            )
        if self.ablate and self.confirm == OFF:
            raise UsageError(
                f"{called('ablate')} explains a confirmed win: it needs {called('confirm')} "
                "auto or a number of pairs"
            )


def _whole(low: int, high: float = math.inf) -> Callable[[float], bool]:
    """Is it a whole number from one to the other?"""
    return lambda n: isinstance(n, int) and not isinstance(n, bool) and low <= n <= high


def _is_time(n: float) -> bool:
    return 0 < n <= sys.float_info.max


NUMBERS: tuple[tuple[str, Callable[[float], bool], str], ...] = (  # nan fails every comparison
    ("trials", _whole(1), "must be a whole number of at least 1: the baseline is one"),
    ("seed", _whole(0, 2**32 - 1), f"must be a whole number from 0 to {2**32 - 1}"),
    ("device", _whole(0), "must be a whole number; devices are counted from 0"),
    ("memory_limit_bytes", _whole(1, 2**63 - 1), "must be a whole number of bytes, 1 to 2^63-1"),
    ("budget_s", _is_time, "must be a time above 0 (--budget takes minutes)"),
    ("max_latency_ms", _is_time, "must be a time above 0"),
    (
        "timeout_s",
        lambda n: 0 < n <= LONGEST_RUN_S,
        f"must be above 0 and at most {LONGEST_RUN_S} s, which is a week",
    ),
    ("tolerance", lambda n: 0 < n < 1, "must lie between 0 and 1"),
    (
        "target_effect",
        lambda n: PRACTICAL_EFFECT < n < 1,
        f"must be above {PRACTICAL_EFFECT:.0%}, below which no difference is claimed, and less "
        "than 100%",
    ),
)


def called(name: str) -> str:
    """A field under both of its names: in the library, and as an option."""
    return f"{name} ({OPTIONS.get(name, '--' + name.replace('_', '-'))})"


def _refused(name: str, value: Any, allowed: str) -> UsageError:
    return UsageError(f"{called(name)} {reprlib.repr(value)}: {allowed}")


def to_dict(setup: Setup) -> dict[str, Any]:
    """As JSON types."""
    lists = {name: list(getattr(setup, name)) for name in SEQUENCES}
    return {**asdict(setup), **lists}


def from_dict(data: dict[str, Any]) -> Setup:
    """The reverse of `to_dict`; without what only an earlier version asked."""
    known = {item.name: data[item.name] for item in fields(Setup) if item.name in data}
    return Setup(**{**known, **{name: tuple(data.get(name, ())) for name in SEQUENCES}})


def model_spec(setup: Setup) -> ModelSpec:
    """Which model source the name stands for, with paths made absolute."""
    name = setup.model
    inputs = [parse_input(text) for text in setup.inputs]
    weights = setup.weights
    if weights not in (None, "DEFAULT"):
        weights = os.path.join(setup.folder, str(weights))
    source, reference = "torchvision", name
    place, colon, factory = name.rpartition(":")
    if colon and factory.isidentifier():
        source = "python_file"
        if place.endswith(".py"):
            reference = os.path.join(setup.folder, place) + ":" + factory
    elif name.endswith(".pt2"):
        source, reference = "exported", os.path.join(setup.folder, name)
    elif name.endswith((".pt", ".pth", ".ts", ".torchscript")):
        source, reference = "torchscript", os.path.join(setup.folder, name)
    elif name.endswith(".py"):
        raise UsageError(f"model {name}: say which function makes the model: {name}:FACTORY")
    return ModelSpec(source, reference, weights, inputs, setup.folder)


def check_name(study: str) -> None:
    """Refuse a study's name that could not be a file's. Raises UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", study):
        raise UsageError(f"--study {study}: letters, digits, '_', '.' and '-' only, at most 100")


def model_name(model: str) -> str:
    """A short name for the study: letters, digits, `_`, `.` and `-` only."""
    name = Path(model.partition(":")[0]).stem if "/" in model or "." in model else model
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "model"


def parse_input(text: str) -> InputSpec:
    """`1x3x224x224[:dtype]` -> InputSpec. Raises UsageError."""
    shape, _, dtype = text.partition(":")
    dtype = dtype or "float32"
    if not re.fullmatch(r"\d+(x\d+)*", shape) or "0" in shape.split("x"):
        raise UsageError(
            f"{called('inputs')} {text}: the shape reads like 1x3x224x224, optionally :dtype"
        )
    if dtype not in DTYPES:
        raise UsageError(
            f"{called('inputs')} {text}: no dtype {dtype!r}; allowed: {', '.join(DTYPES)}"
        )
    return InputSpec([int(size) for size in shape.split("x")], dtype)


def parse_cpus(text: str) -> tuple[int, ...]:
    """`0-3,6` -> (0, 1, 2, 3, 6). Raises UsageError for processors that this host lacks."""
    cpus: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not match:
            raise UsageError(f"--cpus {text}: a list reads like 0-3,6")
        cpus.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    usable = os.sched_getaffinity(0)
    if not cpus or not cpus <= usable:
        shown = ",".join(map(str, sorted(usable)))
        raise UsageError(f"--cpus {text}: usable on this host: {shown}")
    return tuple(sorted(cpus))


def parse_bytes(text: str) -> int:
    """`4GiB`, `512M`, `1000000` -> bytes. Raises UsageError."""
    match = re.fullmatch(r"([0-9]{1,19}(?:\.[0-9]+)?)\s*([kmgt]?)(i?b)?", text.strip().lower())
    if not match or not float(match[1]):
        raise UsageError(f"--memory-limit {text}: a size reads like 4GiB or 512MiB")
    return int(float(match[1]) * UNITS[match[2]])


def parse_share(text: str) -> float:
    """`2%` or `0.02` -> 0.02. Raises UsageError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    if not match:
        raise UsageError(f"--target-effect {text}: reads like 2%")
    return float(match[1]) / (100 if match[2] else 1)


def parse_pins(pairs: tuple[str, ...]) -> dict[str, str]:
    """`KNOB=VALUE` pairs -> knob -> value. Raises UsageError."""
    pins: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals and value):
            raise UsageError(f"--set {pair}: reads KNOB=VALUE, for example --set threads=1")
        pins[name] = value
    return pins
