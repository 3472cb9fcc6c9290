"""The best configuration as YAML: configuration, evidence, environment. Loads back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    field_serializer,
    field_validator,
    model_validator,
)

from ..errors import UsageError
from ..evidence.ablation import KnobFinding, Minimal
from ..evidence.conclude import conclude
from ..evidence.intervals import Verdict
from ..evidence.result import Evidence, Recommendation, Result
from ..evidence.summary import Summary
from ..language import Message
from ..options import AUTO, EXPORTED, Setup, from_dict, to_dict
from ..policy import MIN_PAIRS, WARMUP
from ..text import EMULATED_CANN, command
from ..worker.exchange import replacing

LATER = {"batch_dim", "compare"}  # options that files of earlier versions lack
HEADER = "# Written by npu-tune. Show the evidence: {command}\n"
EMULATED = f"# {EMULATED_CANN}\n"
UNSETTLED = "# warmup: none is given, no run of this configuration settled within its calls\n"


class BestConfiguration(BaseModel):
    """The exported file. `configuration` holds what to set: nothing for "keep the defaults".

    environment_variables: to be set before the program starts. evidence: the winner's. ablation:
    what each of its knobs does. minimal: where the configuration is a smaller one, its own figures.
    measured_with: the options that a check takes over; how workers are started, it asks anew.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["npu-tune best configuration"]
    format_version: Literal[1]
    study: str
    model: str
    backend: str
    verdict: Verdict
    recommendation: Recommendation
    configuration: dict[str, str | int | float | bool]
    environment_variables: dict[str, str]
    read_back: dict[str, str]
    evidence: Evidence
    environment: dict[str, Any]
    ablation: tuple[KnobFinding, ...] = ()  # files of earlier versions have none of these
    minimal: Minimal | None = None
    measured_with: Setup | None = None

    @field_validator("measured_with", mode="before")
    @classmethod
    def _exported_options(cls, options: Any) -> Any:
        if isinstance(options, dict) and (odd := (set(options) | LATER) ^ set(EXPORTED)):
            raise ValueError(f"missing, or not to be there: {', '.join(sorted(map(str, odd)))}")
        return options

    @field_serializer("measured_with")
    def _exported(self, options: Setup | None) -> dict[str, Any] | None:
        data = to_dict(options) if options else None
        return data and {name: data[name] for name in EXPORTED}

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, data: Any) -> Any:
        """Earlier versions wrote a finding's figures beside its knob, and called runs blocks."""
        if not isinstance(data, dict):
            return data
        findings, smaller = data.get("ablation"), data.get("minimal")
        for finding in findings if isinstance(findings, list) else ():
            if isinstance(finding, dict):
                evidence = data.get("evidence") if findings == [finding] else None
                _upgrade_finding(finding, evidence if isinstance(evidence, dict) else {})
        for comparison in smaller.values() if isinstance(smaller, dict) else ():
            if isinstance(comparison, dict) and "blocks" in comparison:
                comparison["runs"] = [comparison.pop("blocks")] * 2
        return data


def _upgrade_finding(finding: dict[str, Any], evidence: dict[str, Any]) -> None:
    """evidence: where the hold-out is what found it, as of a single knob."""
    if isinstance(finding.get("reason"), str):
        finding["reason"] = asdict(Message(finding["reason"])) if finding["reason"] else None
    if "verdict" in finding:
        figures = {name: finding.pop(name, None) for name in ("verdict", "speedup", "interval")}
        runs = [evidence.get("pairs", MIN_PAIRS)] * 2
        finding["comparison"] = {**figures, "runs": runs} if figures["interval"] else None


def best_configuration(result: Result, setup: Mapping[str, Any]) -> BestConfiguration:
    """The part of a result that is to be applied, with its evidence. setup: the study's."""
    dropped = result.minimal.dropped if result.minimal else ()
    return BestConfiguration(
        format="npu-tune best configuration",
        format_version=1,
        study=result.study,
        model=result.model,
        backend=result.backend,
        verdict=result.verdict,
        recommendation=result.recommendation,
        configuration=result.configuration,
        environment_variables=result.environment_variables,
        read_back={
            k.name: k.read_back + ("" if k.certain else " (unverified)")
            for k in result.knobs
            if k.name not in dropped
        },
        evidence=result.evidence,
        environment=result.environment,
        ablation=result.ablation,
        minimal=result.minimal,
        measured_with=_measured_with(setup),
    )


def _measured_with(setup: Mapping[str, Any]) -> Setup | None:
    if not set(EXPORTED) <= set(setup) | LATER:  # of a study of an earlier version
        return None
    known = {name: setup[name] for name in EXPORTED if name in setup}
    return from_dict({**known, "heat": AUTO, "heat_size": 0})


def export(summary: Summary, folder: Path) -> tuple[Result, Path]:
    """Conclude a study and write its best configuration to `<folder>/<study>.yaml`."""
    result = conclude(summary)
    path = folder / f"{result.study}.yaml"
    write(best_configuration(result, summary.study.setup), path)
    return result, path


def write(best: BestConfiguration, path: Path) -> None:
    """Write the YAML, atomically."""
    body = yaml.safe_dump(best.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    header = HEADER.format(command=command("show", best.study))
    if best.environment.get("emulated_cann"):
        header += EMULATED
    unsettled = best.evidence.best.unsteady == best.evidence.best.runs
    if best.configuration and WARMUP not in best.configuration and unsettled:
        header += UNSETTLED
    write_text(header + body, path)


def write_text(text: str, path: Path) -> None:
    """Write a file, atomically; a device or a pipe as it is. Raises UsageError."""
    try:
        if path.exists() and not path.is_file():
            path.write_text(text, encoding="utf-8")
            return
        target = path.resolve()  # a link stays one
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(str(target)) as file:
            file.write(text.encode())
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be written: {error.strerror}; go to a folder that you may write "
            "to, or name another file (report and export: -o)"
        ) from error


def load(path: str | Path) -> BestConfiguration:
    """Read what `write` wrote. Raises UsageError with what is wrong."""
    try:
        return BestConfiguration.model_validate(yaml.safe_load(Path(path).read_text("utf-8")))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not a text in UTF-8: {error.reason}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise UsageError(
            f"{path}: {where}: {first['msg']}; an exported file comes from npu-tune export"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: an impossible date
        raise UsageError(f"{path}: not valid YAML: {str(error).splitlines()[0]}") from error
