"""An exported configuration and the programs that it is for."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support import ROOT
from tests.support.command import PROGRAM
from tests.support.runs import recorded, study_record
from tuner.deploy import best as best_file
from tuner.deploy import formats
from tuner.deploy.best import BestConfiguration
from tuner.evidence.conclude import conclude
from tuner.evidence.summary import summarize
from tuner.space import file
from tuner.space.model import Configuration

RUN = [*PROGRAM, "run"]
KEEP = {
    "MALLOC_TRIM_THRESHOLD_": "1073741824",
    "MALLOC_MMAP_THRESHOLD_": "33554432",
    "MALLOC_TOP_PAD_": "67108864",
}
CONFIGURATION: Configuration = {"threads": 1, "openmp_wait": "passive", "allocator": "glibc-keep"}
VARIABLES = {"OMP_WAIT_POLICY": "PASSIVE", **KEEP}


def best(
    configuration: Configuration, variables: dict[str, str] | None = None, backend: str = "cpu"
) -> BestConfiguration:
    """What a study exports, of this configuration."""
    summary = summarize(study_record(), [recorded(0, 10), recorded(1, 4, threads=1)])
    best_of_study = best_file.best_configuration(conclude(summary), summary.study.setup)
    changes = {
        "configuration": configuration,
        "environment_variables": variables or {},
        "backend": backend,
    }
    return best_of_study.model_copy(update=changes)


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """The exported file of CONFIGURATION."""
    path = tmp_path / "best.yaml"
    best_file.write(best(CONFIGURATION, VARIABLES), path)
    return path


def ran(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command with two threads for OpenMP and this package on its path."""
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def written(form: str, configuration: Configuration, variables: dict[str, str], to: Path) -> Path:
    """A configuration in a form for programs, in a file."""
    content = best(configuration, variables)
    entries = file.entries_of(content.configuration, content.backend)
    stages = {knob.name: knob.apply for knob in file.load(file.find(content.backend)).space.knobs}
    best_file.write_text(formats.text(content, form, entries, stages), to)
    return to
