"""Studies and runs as JSON types: in one form for the database and for recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any

from ..worker import exchange
from ..worker.facts import ProbeFacts
from ..worker.protocol import FORMAT_VERSION, TrialResult, TrialSpec
from .records import RecordedRun, Run, StudyFacts, StudyRecord


def study_to_dict(study: StudyRecord) -> dict[str, Any]:
    """Make JSON types of a study; its fingerprint stands beside what else the probe told."""
    return {
        **asdict(study),
        "created_at": study.created_at.isoformat(),
        "finished_at": study.finished_at.isoformat() if study.finished_at else None,
        "facts": {**asdict(study.facts.probe), "fingerprint": study.facts.fingerprint},
    }


def study_from_dict(data: Mapping[str, Any]) -> StudyRecord:
    """Reverse `study_to_dict`."""
    facts = dict(data["facts"])
    fingerprint = facts.pop("fingerprint")
    finished_at = data["finished_at"]
    return StudyRecord(
        name=data["name"],
        created_at=datetime.fromisoformat(data["created_at"]),
        finished_at=datetime.fromisoformat(finished_at) if finished_at else None,
        setup=data["setup"],
        space=data["space"],
        facts=StudyFacts(exchange.build(ProbeFacts, facts), fingerprint),
        owner=data["owner"],
    )


def run_to_dict(recorded: RecordedRun) -> dict[str, Any]:
    """Make JSON types of a run."""
    run = recorded.run
    return {
        "trial": recorded.trial,
        "configuration": recorded.configuration,
        "disturbed": list(recorded.disturbed),
        "uid": run.uid,
        "started_at": run.started_at.isoformat(),
        "wall_ns": run.wall_ns,
        "log_tail": run.log_tail,
        "spec": exchange.to_dict(run.spec),
        "result": exchange.to_dict(run.result),
    }


def run_from_dict(data: Mapping[str, Any]) -> RecordedRun:
    """Reverse `run_to_dict`, of the versions before as well. Raises ValueError for another."""
    if data["result"]["format_version"] == 1:
        data = from_version_1(data)
    if data["result"]["format_version"] == 2:
        data = from_version_2(data)
    run = Run(
        spec=exchange.from_dict(TrialSpec, data["spec"]),
        result=exchange.from_dict(TrialResult, data["result"]),
        log_tail=data["log_tail"],
        started_at=datetime.fromisoformat(data["started_at"]),
        wall_ns=data["wall_ns"],
        uid=data["uid"],
    )
    return RecordedRun(data["trial"], data["configuration"], run, tuple(data["disturbed"]))


def from_version_1(run: Mapping[str, Any]) -> dict[str, Any]:
    """Upgrade a run whose result held `facts`: the convolutions' path, and what disturbed it."""
    result = dict(run["result"])
    facts = result.pop("facts")
    if "convolutions" in facts:
        path, how = facts["convolutions"], facts["convolutions_how"]
        result["convolutions"] = {"path": path, "how": how}
    return {
        **run,
        "spec": {**run["spec"], "format_version": 2},
        "result": {**result, "format_version": 2},
        "disturbed": facts.get("disturbed", []),
    }


def from_version_2(run: Mapping[str, Any]) -> dict[str, Any]:
    """Upgrade a run that was alone: what it lacks is what only a run in a heat has."""
    version = {"format_version": FORMAT_VERSION}
    return {**run, "spec": {**run["spec"], **version}, "result": {**run["result"], **version}}
