"""The schema of the process boundary."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.worker import exchange
from tuner.worker.facts import Convolutions, OperatorTime, ProbeFacts, ProfileFacts
from tuner.worker.protocol import (
    InputSpec,
    KnobSetting,
    Measurement,
    ModelSpec,
    Outcome,
    OutputCheck,
    ProbeRequest,
    ReadBack,
    Role,
    TrialResult,
    TrialSpec,
)

SPEC = TrialSpec(
    study="s",
    trial=3,
    role=Role.SEARCH,
    backend="cpu",
    model=ModelSpec("torchvision", "resnet18", inputs=[InputSpec([1, 3, 8, 8], "float16")]),
    knobs=[KnobSetting("allocator", "keep", "environment", "allocator", {"A": "1"})],
    batch_size=2,
    probe=ProbeRequest({"execution": ["torchscript"]}, ["libjemalloc.so.2"]),
)
RESULT = TrialResult(
    Outcome.OK,
    phases_s={"import": 1.5},
    measurement=Measurement([5], [1, 2], [3, 4], [9], 2, 1),
    output=OutputCheck("passed", "abc", 1e-6),
    read_back={"threads": ReadBack(2, True, "torch")},
    probe=ProbeFacts("cpu", missing={"execution": {"torchscript": "why"}}),
    profile=ProfileFacts([1], [2], [], 0.5, 0.1, operators=[OperatorTime("conv", 2, 9)]),
    convolutions=Convolutions("aclnn", "52 aclnnConvolution"),
)


def test_both_messages_survive_the_boundary(tmp_path: Path) -> None:
    spec, result = str(tmp_path / "spec.json"), str(tmp_path / "result.json")
    exchange.write(SPEC, spec)
    exchange.write(RESULT, result)
    assert exchange.read(TrialSpec, spec) == SPEC
    assert exchange.read(TrialResult, result) == RESULT
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result.json", "spec.json"]


def test_a_file_that_fails_half_written_leaves_the_old_one_and_nothing_beside_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write() -> None:
        with exchange.replacing(str(path)) as file:
            file.write(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write()
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [("file", "old")]


def test_another_format_version_is_refused() -> None:
    data = exchange.to_dict(SPEC) | {"format_version": 99}
    with pytest.raises(ValueError, match="format version 99"):
        exchange.from_dict(TrialSpec, data)


def test_the_outcomes_are_the_closed_set() -> None:
    assert [outcome.value for outcome in Outcome] == [
        "ok",
        "unsupported",
        "out_of_memory",
        "wrong_output",
        "timeout",
        "crashed",
        "environment_error",
    ]
