"""A real study on torch_npu with an emulated CANN: figures are labelled wherever they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

import tuner
from tests.support.command import npu_tune

LABEL = "emulated CANN: no figure below is a device's"


def test_its_file_tells_what_it_was_measured_on(npu_study: Path) -> None:
    environment = tuner.load_best(npu_study / "results" / "real.yaml").environment
    assert (environment["soc"], environment["cann"]) == ("Ascend910B3", "8.2.RC1")
    assert environment["emulated_cann"] is True


@pytest.mark.usefixtures("npu_study")
def test_show_says_that_no_figure_is_a_devices() -> None:
    assert LABEL in npu_tune("show", "real").stdout


@pytest.mark.usefixtures("npu_study")
def test_compare_says_so_too() -> None:
    assert LABEL in npu_tune("compare", "real", "real").stdout


def test_the_report_says_so_too(npu_study: Path) -> None:
    assert npu_tune("report", "real", "-o", "page.html").exit_code == 0
    assert "emulated CANN: no figure below is a device" in (npu_study / "page.html").read_text()


@pytest.mark.usefixtures("npu_study")
def test_an_exported_file_keeps_the_knobs_of_the_npu() -> None:
    assert npu_tune("export", "real", "-o", "again.yaml").exit_code == 0
    assert tuner.load_best(Path("again.yaml")).backend == "npu"
