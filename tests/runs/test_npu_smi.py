"""npu-smi's listings of several products, made after their published layouts."""

from __future__ import annotations

import pytest

from tests.support import DATA
from tuner.runs import npu_smi


def read(name: str) -> npu_smi.Listing:
    return npu_smi.parse((DATA / "npu_smi" / f"{name}.txt").read_text())


@pytest.mark.parametrize(
    ("name", "driver", "chips"),
    [
        ("a2", "24.1.rc3", [("0", "910B4", "OK"), ("1", "910B4", "Warning")]),
        ("a3", "25.2.3", [("0", "Ascend910", "OK"), ("0", "Ascend910", "OK")]),
        ("310p", "23.0.3", [("4", "310P3", "OK")]),
    ],
)
def test_chips_and_driver_are_read(
    name: str, driver: str, chips: list[tuple[str, str, str]]
) -> None:
    listing = read(name)
    assert listing.driver == driver
    assert [(chip.npu, chip.name, chip.health) for chip in listing.chips] == chips


def test_values_are_found_under_their_header() -> None:
    first = read("a2").chips[0].values
    assert (first["Temp(C)"], first["Power(W)"]) == ("41", "86.6")
    assert (first["AICore(%)"], first["HBM-Usage(MB)"]) == ("0", "2847 / 32768")
    assert read("a3").chips[1].values["Phy-ID"] == "1"
    assert read("310p").chips[0].values["Memory-Usage(MB)"] == "1701 / 21527"


def test_processes_belong_to_their_npu() -> None:
    assert [chip.processes for chip in read("a2").chips] == [(), (4711,)]


@pytest.mark.parametrize(
    ("row", "processes"),
    [
        ("| 0       1                 | 4711          | python  | 6271  |", [(), (4711,)]),
        ("| 0                         | 4711          | python  | 6271  |", [(4711,), (4711,)]),
    ],
)
def test_processes_belong_to_their_chip_where_the_row_tells_it(
    row: str, processes: list[tuple[int, ...]]
) -> None:
    text = (DATA / "npu_smi" / "a3.txt").read_text()
    assert [chip.processes for chip in npu_smi.parse(f"{text}{row}\n").chips] == processes


@pytest.mark.parametrize("text", ["", "command not found", "| a | b |\n| c |"])
def test_another_text_has_no_chips(text: str) -> None:
    assert npu_smi.parse(text).chips == ()
