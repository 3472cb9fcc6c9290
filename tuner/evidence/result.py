"""The result of a study: what the terminal shows, `--json` prints, `tune()` returns, YAML keeps."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ..language import Message
from ..space.model import Configuration, Value
from .ablation import KnobFinding, Minimal
from .effects import Effect
from .figures import Figures
from .growth import Growth
from .intervals import Comparison, Interval, Verdict
from .noise import Noise

Demand = Literal["nothing", "settings", "code", "file"]
Recommendation = Literal["apply", "confirm first", "keep the defaults"]


@dataclass(frozen=True)
class Evidence:
    """The configuration that was tried against the baseline, at the same batch size.

    interval is None, and the figures are the search's own, where it was not confirmed.
    relative_error: of the output, against the baseline's largest value. output_others: what came of
    other inputs of the same shapes; output_by: the user's function that judged.
    warnings: of the best's mode. set_again: its knobs that the model's own code sets back.
    growth: of the baseline, from call to call.
    convolutions: their path on an NPU, of baseline and best: aclnn, aclop, "" where none was seen.
    pair_s: how long a pair took, start to end; None without pairs. pause_ms: the length of the
    rests before the calls of `rested_ms`.
    """

    objective: str
    timed_region: str
    batch_size: int | None
    speedup: float
    interval: Interval | None
    pairs: int
    tried: Configuration
    best: Figures
    baseline: Figures
    noise: Noise
    output_check: str
    output_reason: str
    relative_error: float | None
    convolutions: tuple[str, str]
    pair_s: float | None = None  # files of earlier versions have none of these
    output_others: str = ""
    output_by: str = ""
    set_again: tuple[str, ...] = ()
    growth: Growth | None = None
    warnings: tuple[str, ...] = ()
    pause_ms: float | None = None

    def comparison(self, verdict: Verdict) -> Comparison:
        """What it says of best against baseline, with the verdict that stands beside it."""
        paired, runs = self.pairs > 0, (self.best.runs, self.baseline.runs)
        return Comparison(verdict, self.speedup, self.interval, runs, paired)


@dataclass(frozen=True)
class KnobResult:
    """One knob of the configuration that was tried. effect: None where it cannot be estimated."""

    name: str
    value: Value
    read_back: str
    certain: bool
    why: str
    why_zh: str
    effect: Effect | None


@dataclass(frozen=True)
class FinalistResult:
    """A configuration that was measured again, or a preset, against the baseline.

    speedups: how many times better, in each block of the confirmation; where it is not `fresh`, the
    search's own.
    """

    preset: str
    configuration: Configuration
    outcome: str
    speedups: tuple[float, ...]
    fresh: bool


@dataclass(frozen=True)
class ExecutionResult:
    """The best configuration of one way to execute the model; figures as in `FinalistResult`.

    demand: the most that it asks of the program: nothing, settings (before or after the import),
    code (on the model), or a file (of another format, what it ends in being `file`).
    """

    execution: Value
    configuration: Configuration
    outcome: str
    latency_ms: float | None
    speedups: tuple[float, ...]
    fresh: bool
    demand: Demand
    file: str


@dataclass(frozen=True)
class CurveResult:
    """Baseline and best at one batch size: single runs of the search, unless `confirmed`."""

    batch_size: int
    baseline_outcome: str
    baseline_ms: float | None
    best_ms: float | None
    speedup: float | None
    throughput_per_s: float | None
    configuration: Configuration
    confirmed: bool


@dataclass(frozen=True)
class FixedCost:
    """A line through the batch size curve: latency = call_ms + sample_ms * batch size."""

    call_ms: float
    sample_ms: float


@dataclass(frozen=True)
class Result:
    """What a study has found. `configuration` is what to apply: empty for "keep the defaults".

    reason: why there is no better verdict. environment_variables: set before the program starts.
    ablation: what each knob of the winner does; empty where it was not asked for, or nothing was
    won. minimal: the smaller configuration that is to be applied instead of the winner, which the
    evidence is about; None where there is none. inert: settings that did nothing, such as
    `threads=1`, with what they read back as. failing: settings that were left out after they had
    failed whenever they were tried, with the last failure. in_code: the knobs to apply that only
    the program's own code can set; without_code: the best configuration that needs none of them.
    exported: the file that its engine loads, as the study has named it. by_execution: each way to
    execute the model at its best; empty without a choice.
    """

    study: str
    model: str
    backend: str
    verdict: Verdict
    reason: Message | None
    recommendation: Recommendation
    configuration: Configuration
    environment_variables: dict[str, str]
    evidence: Evidence
    ablation: tuple[KnobFinding, ...]
    minimal: Minimal | None
    knobs: tuple[KnobResult, ...]
    finalists: tuple[FinalistResult, ...]
    curve: tuple[CurveResult, ...]
    fixed_cost_baseline: FixedCost | None
    fixed_cost_best: FixedCost | None
    trials: int
    failures: dict[str, int]
    inert: dict[str, str]
    failing: dict[str, str]
    in_code: Configuration
    without_code: FinalistResult | None
    exported: str
    by_execution: tuple[ExecutionResult, ...]
    environment: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)
