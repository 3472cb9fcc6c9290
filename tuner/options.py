"""What a study is asked to do: each option once, with all that is known of it.

From here come the command line of `tune` and `check`, the arguments of the library, what an
exported file takes along, and what must be alike for two studies to be compared.
"""

from __future__ import annotations

import difflib
import re
import reprlib
import shlex
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from . import parse
from .errors import UsageError
from .policy import BASELINE_RUNS, MAX_HEAT, MAX_PAIRS, MIN_PAIRS, PRACTICAL_EFFECT

RESULTS = Path("results")
DEFAULT_STORAGE = "sqlite:///results/npu-tune.db"
AUTO, OFF = "auto", "off"
BASELINE_DEADLINE_S = 600.0
LONGEST_RUN_S = 7 * 24 * 3600


@dataclass(frozen=True)
class Option:
    """What is known of an option beside its type and default.

    help: "" where the tool alone sets it. flag: where it is not the field's name. unset: the
    default in words, where it is no value. parse: from a text of the command line. convert: from
    what a user of the library may give. Both raise ValueError for what is wrong. many: may be
    repeated. words: all that it may be; allowed: which values mean something, `must`: in words.

    on_resume: may change then. alike: studies that differ in it are not compared fairly. exported:
    a check takes it over from the file. in_check: a check has it as an option; its default there.
    """

    help: str = ""
    flag: str = ""
    metavar: str | None = None
    unset: str = ""
    parse: Callable[[str], Any] | None = None
    convert: Callable[[Any], Any] | None = None
    many: bool = False
    words: tuple[str, ...] = ()
    allowed: Callable[[float], bool] | None = None
    must: str = ""
    on_resume: bool = False
    alike: bool = False
    exported: bool = False
    in_check: str | None = None


def _option(default: Any, help: str = "", **known: Any) -> Any:
    return field(default=default, metadata={"option": Option(help, **known)})


# fmt: off
@dataclass(frozen=True)
class Setup:
    """The options of a study. Stored with it; a resumed study keeps them."""

    model: str = _option(
        MISSING,
        "torchvision name, file.py:factory, package.module:factory, TorchScript .pt or .pt2.",
        metavar="MODEL", alike=True, exported=True, in_check="the file's")
    trials: int = _option(
        40, "Configurations to try, the baseline included.", on_resume=True,
        allowed=parse.whole(1), must="must be a whole number of at least 1: the baseline is one")
    budget_s: float | None = _option(
        None, "Time for search and confirmation, instead of --trials.", flag="--budget",
        metavar="MINUTES", parse=parse.minutes_s, on_resume=True,
        allowed=parse.is_time, must="must be a time above 0 (--budget takes minutes)")
    backend: str = _option(
        AUTO, "auto: the NPU where there is one.", words=("auto", "npu", "cpu"),
        in_check="the file's")
    space: str = _option(  # name or file
        "", "Search space.", metavar="NAME|FILE", unset="the backend's own", convert=str,
        alike=True, exported=True)
    pins: dict[str, str] = field(default_factory=dict, metadata={"option": Option(
        "Fix a knob in the search; may be repeated.", flag="--set", metavar="KNOB=VALUE",
        parse=parse.pin, convert=dict, many=True, alike=True)})
    objective: str = _option(  # those of evidence/objectives.py
        "latency", "What is to become better.", words=("latency", "throughput"),
        alike=True, exported=True)
    max_latency_ms: float | None = _option(
        None, "Limit for --objective throughput.", alike=True, exported=True,
        allowed=parse.is_time, must="must be a time above 0")
    timed_region: str = _option(
        "inference", "What a timed call holds.",
        words=("inference", "inference+d2h", "end-to-end"), alike=True, exported=True)
    pause_ms: float | None = _option(
        None, "Also time calls after a rest of so many ms; not scored.", flag="--pause",
        metavar="MS", allowed=lambda n: 0 < n <= 1000, must="must be above 0 and at most 1000 ms")
    inputs: tuple[str, ...] = _option(
        (), "Input shape, for example 1x3x224x224; one for each positional input.",
        flag="--input", metavar="SHAPE[:DTYPE]", convert=parse.texts, many=True, exported=True)
    batch_dim: str = _option(
        AUTO, "Dimension of the inputs that is the batch; auto: the first, where twice the inputs "
        "give each row twice.", metavar="auto|none|N", parse=parse.batch_dim,
        convert=parse.batch_dim, alike=True, exported=True)
    weights: str | None = _option(
        None, "torchvision's own weights, or a state dict.", metavar="DEFAULT|FILE",
        unset="seeded random", alike=True, exported=True)
    timeout_s: float | None = _option(
        None, "Deadline of one run.", flag="--timeout", metavar="SECONDS",
        unset="10 times the baseline's, at least 120", on_resume=True, in_check="",
        allowed=lambda n: 0 < n <= LONGEST_RUN_S,
        must=f"must be above 0 and at most {LONGEST_RUN_S} s, which is a week")
    memory_limit_bytes: int | None = _option(
        None, "Memory limit of one run, for example 4GiB.", flag="--memory-limit", metavar="SIZE",
        parse=parse.size_bytes, on_resume=True, exported=True,
        allowed=parse.whole(1, 2**63 - 1), must="must be a whole number of bytes, 1 to 2^63-1")
    seed: int = _option(
        0, "Seed of weights, inputs and search.", alike=True, exported=True,
        allowed=parse.whole(0, 2**32 - 1), must=f"must be a whole number from 0 to {2**32 - 1}")
    cpus: tuple[int, ...] = _option(
        (), "Processors for the runs, for example 0-3,6.", metavar="LIST",
        parse=parse.processors, convert=tuple, alike=True, exported=True, in_check="the file's")
    device: int | None = _option(
        None, "Number of the NPU, from 0.", unset="0", in_check="", allowed=parse.whole(0),
        must="must be a whole number; devices are counted from 0")
    python: str = _option(
        "", "The workers' interpreter.", metavar="PATH", unset="this one", in_check="")
    env_script: str = _option(
        "", "Sourced by bash for the workers alone, for example CANN's set_env.sh.",
        metavar="FILE", convert=parse.absolute, in_check="")
    launch_prefix: str = _option(
        "", "Reaches another environment that shares this folder: 'docker exec -i NAME'.",
        metavar="COMMAND", in_check="")
    tolerance: float | None = _option(
        None, "Allowed output error, relative to the largest of each output.", exported=True,
        unset="by its type: 0.001 for float32",
        allowed=lambda n: 0 < n < 1, must="must lie between 0 and 1")
    compare: str = _option(
        "", "Your own judgement of outputs, same(reference, output), instead of a tolerance.",
        metavar="FILE:FUNCTION", parse=parse.function, convert=parse.function, exported=True)
    allow_lossy: bool = _option(
        False, "Search knobs that change the numbers, too.", alike=True, exported=True)
    confirm: str = _option(
        AUTO, "Pairs of fresh runs, best against baseline; auto: 8, and up to 24 while promising "
        "but unclear.", metavar="auto|off|N", convert=str, on_resume=True, in_check="")
    target_effect: float | None = _option(
        None, "Plan as many pairs as show this gain, for example 2%; says what that costs.",
        metavar="PERCENT", parse=parse.share, on_resume=True,
        allowed=lambda n: PRACTICAL_EFFECT < n < 1,
        must=f"must be above {PRACTICAL_EFFECT:.0%}, below which no difference is claimed, and "
        "less than 100%")
    ablate: bool = _option(
        False, "After a confirmed win: measure what each of its knobs does, and export the needed "
        "ones.", on_resume=True)
    heat: str = _option(
        AUTO, "Runs that are alive together and measured in turns; 1: one after the other.",
        metavar="auto|N", convert=str, in_check="")
    heat_size: int = 0  # what came of it, once the baseline has run; 0: not decided yet
    baseline_runs: int = BASELINE_RUNS
    spent: float = 0.0  # how often looks at the hold-out under an earlier `confirm` may err
    without: tuple[str, ...] = ()  # variables that the workers do not inherit: for a check
    folder: str = _option("", exported=True)  # where the user stood: names are looked up there
    # fmt: on

    def validated(self) -> Setup:
        """Itself. Raises UsageError for what means nothing or contradicts itself."""
        for name, option in OPTIONS.items():
            value = getattr(self, name)
            if value is None and getattr(Setup, name, ...) is None:
                continue
            if option.words and value not in option.words:
                words = f"{', '.join(option.words[:-1])} or {option.words[-1]}"
                raise refusal(name, value, f"must be {words}")
            is_number = isinstance(value, (int, float))
            if option.allowed and not (is_number and option.allowed(value)):
                raise refusal(name, value, option.must)
        size = int(self.heat) if re.fullmatch("[0-9]{1,2}", self.heat) else 0
        if self.heat != AUTO and not 1 <= size <= MAX_HEAT:
            raise refusal("heat", self.heat, f"must be auto or a number of runs, 1 to {MAX_HEAT}")
        if self.max_latency_ms is not None and self.objective != "throughput":
            raise UsageError(
                f"{called('max_latency_ms')} limits {called('objective')} throughput: choose that"
            )
        if self.compare and self.tolerance is not None:
            raise UsageError(
                f"{called('compare')} judges instead of {called('tolerance')}: give one of them"
            )
        self._validate_confirmation()
        read("launch_prefix", self.launch_prefix, shlex.split)
        for text in self.inputs:
            read("inputs", text, parse.shape_and_dtype)
        return self

    def _validate_confirmation(self) -> None:
        pairs = int(self.confirm) if re.fullmatch("[0-9]{1,4}", self.confirm) else 0
        if self.confirm not in (AUTO, OFF) and not MIN_PAIRS <= pairs <= MAX_PAIRS:
            allowed = f"must be auto, off or a number of pairs from {MIN_PAIRS} to {MAX_PAIRS}"
            raise refusal("confirm", self.confirm, allowed)
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


OPTIONS: dict[str, Option] = {f.name: f.metadata.get("option", Option()) for f in fields(Setup)}
OFFERED = tuple(name for name, option in OPTIONS.items() if option.help)
ALIKE = tuple(name for name, option in OPTIONS.items() if option.alike)
EXPORTED = tuple(name for name, option in OPTIONS.items() if option.exported)
SEQUENCES = tuple(f.name for f in fields(Setup) if f.default == ())  # lists in JSON
WHERE = ("device", "python", "env_script", "launch_prefix")  # a worker runs


def flag(name: str) -> str:
    """`--cpus`: an option's name on the command line."""
    return OPTIONS[name].flag or "--" + name.replace("_", "-")


def called(name: str) -> str:
    """An option under both of its names: in the library, and on the command line."""
    return f"{name} ({flag(name)})"


def refusal(name: str, value: Any, why: object) -> UsageError:
    """The error that says which option, what was given, and what it must be."""
    return UsageError(f"{called(name)} {reprlib.repr(value)}: {why}")


def read(name: str, value: Any, function: Callable[[Any], Any]) -> Any:
    """What the function makes of a value that was given for an option. Raises UsageError."""
    try:
        return function(value)
    except (TypeError, ValueError) as error:
        raise refusal(name, value, error) from error


def values_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """What a user gives, as fields. Raises UsageError for what is no option, and for two alike."""
    for name in given:
        if name not in OFFERED:
            nearest = ", ".join(difflib.get_close_matches(name, OFFERED)) or ", ".join(OFFERED)
            raise UsageError(f"there is no option {name}; nearest: {nearest}")
    if given.get("budget_s") is not None and "trials" in given:
        raise UsageError(
            f"{called('budget_s')} says how long, {called('trials')} how many: give one of them"
        )
    return {name: _converted(name, value) for name, value in given.items()}


def _converted(name: str, value: Any) -> Any:
    convert = OPTIONS[name].convert
    return read(name, value, convert) if convert else value


def new_setup(given: Mapping[str, Any]) -> Setup:
    """The options of a new study, begun where the user stands. Raises UsageError."""
    return Setup(**values_of(given), folder=str(Path.cwd())).validated()


def resumed_setup(stored: dict[str, Any], given: Mapping[str, Any]) -> Setup:
    """A stored study's options with those that may change. Raises UsageError for another."""
    values, before = values_of(given), from_dict(stored)
    for name, value in values.items():
        if not OPTIONS[name].on_resume and getattr(before, name) != value:
            raise UsageError(
                f"--resume: the study was begun with {called(name)} {getattr(before, name)!r}, "
                f"not {value!r}; leave the option out, or start another study"
            )
    return with_changes(before, values)


def with_changes(before: Setup, values: Mapping[str, Any]) -> Setup:
    """With these values instead, and without what they stand instead of. Raises UsageError."""
    instead: dict[str, Any] = {}
    if "trials" in values:
        instead["budget_s"] = None
    if "confirm" in values:
        instead |= {"target_effect": None, "ablate": before.ablate and values["confirm"] != OFF}
    if "target_effect" in values:
        instead["confirm"] = AUTO
    return replace(before, **{**instead, **values}).validated()


def to_dict(options: Setup) -> dict[str, Any]:
    """As JSON types."""
    return {**asdict(options), **{name: list(getattr(options, name)) for name in SEQUENCES}}


def from_dict(data: Mapping[str, Any]) -> Setup:
    """The reverse of `to_dict`; without what only an earlier version asked."""
    known: dict[str, Any] = {"heat": "1", "heat_size": 1}  # an earlier version knew no heats
    known |= {name: data[name] for name in OPTIONS if name in data}
    return Setup(**{**known, **{name: tuple(data.get(name, ())) for name in SEQUENCES}})
