"""The best configuration as YAML: configuration, evidence, environment. Loads back."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import StudyConflictError, UsageError
from .search_space import WARMUP, Configuration
from .stats import median, percentile, relative_spread, settled_after
from .summary import Measured, Summary
from .worker.protocol import UNSET

HEADER = "# Written by npu-tune. Show the evidence: npu-tune show {study}\n"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Figures(_Part):
    """What was measured for one configuration; latency is that of a synchronised call."""

    latency_ms: float
    p90_ms: float | None
    p99_ms: float | None
    throughput_per_s: float
    dispatch_share: float
    first_call_s: float
    runs: int
    spread_between_runs: float | None
    trials: list[int]


class Evidence(_Part):
    """Why this configuration: it against the baseline, at the same batch size.

    confirmed: False while the figures are those of the search itself.
    """

    objective: Literal["latency", "throughput"]
    timed_region: str
    batch_size: int | None
    confirmed: bool
    speedup: float
    best: Figures
    baseline: Figures
    output_check: str
    relative_error: float | None


class BestConfiguration(_Part):
    """The exported file. `configuration` holds only the knobs that differ from the baseline.

    environment_variables: to be set before the program starts.
    """

    format: Literal["npu-tune best configuration"]
    format_version: Literal[1]
    study: str
    model: str
    backend: str
    verdict: Literal["tuned", "keep the defaults"]
    configuration: dict[str, str | int | float | bool]
    environment_variables: dict[str, str]
    read_back: dict[str, str]
    evidence: Evidence
    environment: dict[str, Any]


def best_configuration(summary: Summary) -> BestConfiguration:
    """What the study recommends. Raises StudyConflictError when it has measured nothing yet."""
    best = summary.best
    baseline = summary.baseline_at(best.batch_size) if best else None
    if best is None or baseline is None:
        raise StudyConflictError(
            f"study {summary.study.name!r} has no good run of the baseline yet: continue it with "
            f"npu-tune --resume --study {summary.study.name}"
        )
    speedup = summary.speedup(best) or 1.0
    if speedup <= 1.0:
        best, speedup = baseline, 1.0
    output = next((r.run.result.output for r in best.runs if r.run.result.output), None)
    setup = summary.study.setup
    return BestConfiguration(
        format="npu-tune best configuration",
        format_version=1,
        study=summary.study.name,
        model=setup["model"],
        backend=summary.space.backend,
        verdict="keep the defaults" if best is baseline else "tuned",
        configuration={**best.changed(summary.space), **_warmup(summary, best)},
        environment_variables=_variables(summary, best.configuration),
        read_back=_read_back(best),
        evidence=Evidence(
            objective=setup["objective"],
            timed_region=setup["timed_region"],
            batch_size=best.batch_size,
            confirmed=False,
            speedup=round(speedup, 4),
            best=figures(best),
            baseline=figures(baseline),
            output_check=output.status if output else "impossible",
            relative_error=output.relative_error if output else None,
        ),
        environment=summary.study.facts["fingerprint"],
    )


def figures(measured: Measured) -> Figures:
    """Figures of a configuration with at least one good run; medians over runs."""
    found = measured.measurements()
    latency_ns = [value for m in found for value in m.latency_ns]
    dispatch = [median(m.dispatch_ns) / median(m.latency_ns) for m in found]
    rates = [m.calls_per_block * m.batch_size * 1e9 / median(m.block_ns) for m in found]
    medians_ms = [median(m.latency_ns) / 1e6 for m in found]
    spread = relative_spread(medians_ms)
    return Figures(
        latency_ms=round(median(medians_ms), 4),
        p90_ms=_ms(percentile(latency_ns, 90)),
        p99_ms=_ms(percentile(latency_ns, 99)),
        throughput_per_s=round(median(rates), 3),
        dispatch_share=round(median(dispatch), 4),
        first_call_s=round(median([m.warmup_ns[0] / 1e9 for m in found]), 4),
        runs=len(found),
        spread_between_runs=None if spread is None else round(spread, 4),
        trials=measured.trials,
    )


def write(best: BestConfiguration, path: Path) -> None:
    """Write the YAML, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = yaml.safe_dump(best.model_dump(), sort_keys=False, allow_unicode=True)
    beside = path.with_name(path.name + ".tmp")
    beside.write_text(HEADER.format(study=best.study) + body, encoding="utf-8")
    os.replace(beside, path)


def load(path: str | Path) -> BestConfiguration:
    """Read what `write` wrote. Raises UsageError with what is wrong."""
    try:
        return BestConfiguration.model_validate(yaml.safe_load(Path(path).read_text("utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"{path}: {where}: {first['msg']}; an exported file comes from npu-tune export"
        ) from error


def _ms(nanoseconds: float | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / 1e6, 4)


def _warmup(summary: Summary, best: Measured) -> Configuration:
    """The warm-up that the stored series show to be needed, not the sampled one."""
    if summary.space.knob(WARMUP) is None:
        return {}
    needed = [settled_after(m.warmup_ns, m.latency_ns) for m in best.measurements()]
    return {WARMUP: math.ceil(median(needed))}


def _variables(summary: Summary, configuration: Configuration) -> dict[str, str]:
    variables: dict[str, str] = {}
    for knob in summary.space.knobs:
        variables.update(knob.variables.get(str(configuration.get(knob.name, UNSET)), {}))
    return variables


def _read_back(measured: Measured) -> dict[str, str]:
    result = next(r.run.result for r in measured.runs if r.run.result.measurement)
    return {
        name: f"{back.value}" if back.certain else f"{back.value} (unverified)"
        for name, back in result.read_back.items()
    }
