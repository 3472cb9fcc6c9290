"""One chip, one name: whatever number a container or a variable gives it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import DATA
from tuner.runs import npu_smi
from tuner.runs.device import CPU, Device, chip_of, measured_on

A3 = npu_smi.parse((DATA / "npu_smi" / "a3.txt").read_text())


def told(physical_id: int, **changes: Any) -> dict[str, Any]:
    """A fingerprint of a worker on such a chip, which is number 0 to it."""
    identity = {"physical_id": physical_id, "source": "driver", "logic_id": 0, "pci_bus_id": ""}
    return {"chip": {**identity, **changes}}


def test_a_chip_is_named_by_its_number_on_the_host() -> None:
    container = measured_on("npu", told(4))
    host = measured_on("npu", told(4, logic_id=4))
    assert container.name == host.name == "NPU 4"
    assert measured_on("npu", told(5)).name == "NPU 5"
    assert measured_on("cpu", {}) == CPU


def test_where_the_number_is_a_guess_the_bus_id_names_the_chip() -> None:
    assert measured_on("npu", told(0, source="", pci_bus_id="0000:9F:00.0")) == Device(
        "NPU 0000:9F:00.0", None, 0, "0000:9F:00.0"
    )
    assert measured_on("npu", told(0, source="")) == Device("NPU 0", None, 0, certain=False)


def test_behind_a_prefix_a_logic_id_means_nothing_here() -> None:
    assert measured_on("npu", told(4), elsewhere=True) == Device("NPU 4", 4)


@pytest.mark.parametrize(
    ("device", "bus_id"),
    [
        (Device("NPU 1", 1), "0000:9F:00.0"),
        (Device("NPU 7", 7, pci_bus_id="0000:9F:00.0"), "0000:9F:00.0"),
        (Device("NPU 1", 1, pci_bus_id="0001:00:00.0"), "0000:9F:00.0"),
        (Device("NPU 7", 7), ""),
        (Device("NPU 0", None, 0, certain=False), ""),
    ],
)
def test_a_row_of_the_listing_is_the_devices_own_or_none(device: Device, bus_id: str) -> None:
    chip = chip_of(A3, device)
    assert (chip.values["Bus-Id"] if chip else "") == bus_id


def test_two_chips_of_an_npu_without_numbers_of_their_own_are_not_told_apart() -> None:
    chip = npu_smi.Chip("0", "0", "910", "OK", {})
    assert chip_of(npu_smi.Listing(chips=(chip, chip)), Device("NPU 0", 0)) is None
