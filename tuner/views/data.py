"""What `list` and `show` print as JSON: what their tables hold, not rounded to be read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..errors import StudyConflictError
from ..evidence.conclude import conclude
from ..evidence.figures import figures
from ..evidence.measured import Measured
from ..evidence.summary import Summary
from ..runs.records import RecordedRun, StudyRecord


def studies(records: Sequence[StudyRecord], trials_done: Mapping[str, int]) -> dict[str, Any]:
    """`npu-tune list`."""
    return {
        "studies": [
            {**_head(record), "trials_done": trials_done.get(record.name, 0)} for record in records
        ]
    }


def _head(record: StudyRecord) -> dict[str, Any]:
    """What a study is about. Not all of its setup: a launch prefix may hold a secret."""
    setup, finished_at = record.setup, record.finished_at
    return {
        "study": record.name,
        "model": setup["model"],
        "backend": record.space["backend"],
        "emulated_cann": bool(record.facts.fingerprint.get("emulated_cann")),
        "objective": setup["objective"],
        "trials": None if setup.get("budget_s") is not None else setup["trials"],
        "budget_s": setup.get("budget_s"),
        "begun": record.created_at.isoformat(),
        "finished": finished_at.isoformat() if finished_at else None,
    }


def study(summary: Summary, measuring: int | None) -> dict[str, Any]:
    """`npu-tune show STUDY`. measuring: the process that is at it."""
    result = None
    with contextlib.suppress(StudyConflictError):  # nothing was measured yet
        result = conclude(summary).to_dict()
    searched = [r for measured in summary.measured for r in measured.runs]
    return {
        **_head(summary.study),
        "trials_done": summary.trials_done,
        "measuring": measuring,
        "inputs": summary.study.facts.probe.inputs,
        "environment": summary.study.facts.fingerprint,
        "configurations": [_configuration(summary, m) for m in summary.measured],
        "failures": [
            {
                "trial": r.trial,
                "outcome": r.outcome.value,
                "configuration": r.configuration,
                "message": r.run.result.message,
                "log_tail": r.run.log_tail,
            }
            for r in [*searched, *summary.confirmation_runs]
            if not r.ok
        ],
        "result": result,
    }


def _configuration(summary: Summary, measured: Measured) -> dict[str, Any]:
    return {
        "trials": measured.trials,
        "configuration": measured.configuration,
        "outcome": measured.outcome.value,
        "speedup": summary.speedup(measured),
        "figures": asdict(figures(measured)) if measured.measurements() else None,
    }


def trial(summary: Summary, number: int, runs: Sequence[RecordedRun]) -> dict[str, Any]:
    """`npu-tune show STUDY --trial N`: its runs with their raw samples in ns."""
    return {
        "study": summary.study.name,
        "trial": number,
        "emulated_cann": bool(summary.study.facts.fingerprint.get("emulated_cann")),
        "runs": [_run(recorded) for recorded in runs],
    }


def _run(recorded: RecordedRun) -> dict[str, Any]:
    run, result = recorded.run, recorded.run.result
    return {
        "role": recorded.role.value,
        "heat": run.spec.heat,
        "configuration": recorded.configuration,
        "outcome": recorded.outcome.value,
        "message": result.message,
        "begun": run.started_at.isoformat(),
        "wall_s": run.wall_ns / 1e9,
        "disturbed": list(recorded.disturbed),
        "phases_s": result.phases_s,
        "output": asdict(result.output) if result.output else None,
        "read_back": {name: asdict(back) for name, back in result.read_back.items()},
        "peak_memory_bytes": result.peak_memory_bytes,
        "measurement": asdict(result.measurement) if result.measurement else None,
        "log_tail": run.log_tail,
    }
