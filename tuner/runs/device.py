"""What is measured on, by one name: the host's processors as one, or one chip of an NPU.

The number in a name is the chip's on the host. What a user calls 0 is another chip in each
container, and behind each ASCEND_RT_VISIBLE_DEVICES.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import npu_smi


@dataclass(frozen=True)
class Device:
    """name: what is locked, and said to the user. certain: False where its number is a guess.

    Of a chip, where they are known: physical_id, logic_id (npu-smi's number of it, where that runs
    in the worker's container), pci_bus_id.
    """

    name: str
    physical_id: int | None = None
    logic_id: int | None = None
    pci_bus_id: str = ""
    certain: bool = True


CPU = Device("CPU")


def measured_on(backend: str, fingerprint: Mapping[str, Any], elsewhere: bool = False) -> Device:
    """The device that a worker has told of.

    elsewhere: the worker is behind a prefix, where a logic id counts other devices than here.
    """
    if backend != "npu":
        return CPU
    chip = fingerprint["chip"]
    logic_id = None if elsewhere else chip["logic_id"]
    bus = chip["pci_bus_id"]
    if chip["source"]:
        return Device(f"NPU {chip['physical_id']}", chip["physical_id"], logic_id, bus)
    return Device(f"NPU {bus or chip['physical_id']}", None, logic_id, bus, certain=bool(bus))


def chip_of(listing: npu_smi.Listing, device: Device) -> npu_smi.Chip | None:
    """The device's row in npu-smi's listing; None rather than another chip's."""
    for is_row in (_has_bus_id, _has_number):
        rows = [chip for chip in listing.chips if is_row(chip, device)]
        if len(rows) == 1:
            return rows[0]
    return None


def _has_bus_id(chip: npu_smi.Chip, device: Device) -> bool:
    return bool(device.pci_bus_id) and chip.values.get("Bus-Id", "").upper() == device.pci_bus_id


def _has_number(chip: npu_smi.Chip, device: Device) -> bool:
    """By the column that the product has: an A3 Phy-ID, a 310P Device; an A2's NPU is the chip."""
    if "Phy-ID" in chip.values:
        return chip.values["Phy-ID"] == str(device.physical_id)
    if "Device" in chip.values:
        return chip.values["Device"] == str(device.logic_id)
    return chip.npu == str(device.physical_id)
