"""Who else is on the device: asked before each run or heat, kept among the runs' witnesses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psutil

from . import npu_smi
from .device import CPU, Device, chip_of
from .records import Run

TIMEOUT_S = 5.0  # what npu-smi costs is not known: it must not cost this at every run

Watch = Callable[[], int | None]


def other_processes(listing: npu_smi.Listing, device: Device) -> list[int] | None:
    """Processes that npu-smi lists on a device and that are not ours; None without such a chip.

    It sees other containers', which may share no lock with us. A number is the host's, and means
    another process in here.
    """
    chip = chip_of(listing, device)
    if chip is None:
        return None
    this = psutil.Process()
    ours = {this.pid, *(child.pid for child in this.children(recursive=True))}
    return [pid for pid in chip.processes if pid not in ours]


def watching(device: Device) -> Watch:
    """What counts the processes of others on a device, before a run or a heat.

    Before, because in a container our own worker cannot be told from others by its number. Only
    an NPU is asked about, and no more once npu-smi was not there, did not answer in time, or did
    not list that chip: None then.
    """
    answers = device != CPU

    def count() -> int | None:
        nonlocal answers
        listing = npu_smi.run(TIMEOUT_S) if answers else None
        others = None if listing is None else other_processes(listing, device)
        answers = others is not None
        return None if others is None else len(others)

    return count


def witnessed(run: Run, others: int | None) -> Run:
    """The run with `device_processes`, how many of others the device had before it."""
    if others is None or not run.result.witnesses_before:
        return run
    witnesses = {**run.result.witnesses_before, "device_processes": float(others)}
    return replace(run, result=replace(run.result, witnesses_before=witnesses))
