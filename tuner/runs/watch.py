"""Who else is on the device: asked once before each run, kept among the run's witnesses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psutil

from ..worker.protocol import TrialSpec
from . import npu_smi
from .device import CPU, Device, chip_of
from .records import Run

TIMEOUT_S = 5.0  # what npu-smi costs is not known: it must not cost this at every run

Launch = Callable[[TrialSpec], Run]


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


def watched(launch: Launch, device: Device) -> Launch:
    """Add to a run's witnesses `device_processes`, how many of others the device had before it.

    Before, because in a container our own worker cannot be told from others by its number. Only
    an NPU is asked about, and no more once npu-smi was not there, did not answer in time, or did
    not list that chip.
    """
    answers = device != CPU

    def launch_watched(spec: TrialSpec) -> Run:
        nonlocal answers
        listing = npu_smi.run(TIMEOUT_S) if answers else None
        others = None if listing is None else other_processes(listing, device)
        answers = others is not None
        run = launch(spec)
        if others is None or not run.result.witnesses_before:
            return run
        witnesses = {**run.result.witnesses_before, "device_processes": float(len(others))}
        return replace(run, result=replace(run.result, witnesses_before=witnesses))

    return launch_watched
