"""Who else is on the device: asked once before each run, kept among the run's witnesses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from . import lease, npu_smi
from .launcher import Run
from .worker.protocol import TrialSpec

TIMEOUT_S = 5.0  # what npu-smi costs is not known: it must not cost this at every run

Launch = Callable[[TrialSpec], Run]


def watched(launch: Launch, device: str) -> Launch:
    """The same, with `device_processes`: how many processes of others the device had before it.

    Before, because in a container our own worker cannot be told from others by its number. Only
    an NPU is asked about, and no more once npu-smi was not there or did not answer in time.
    """
    answers = device != lease.CPU

    def launch_watched(spec: TrialSpec) -> Run:
        nonlocal answers
        listing = npu_smi.run(TIMEOUT_S) if answers else None
        answers = listing is not None
        run = launch(spec)
        if listing is None or not run.result.witnesses_before:
            return run
        others = float(len(lease.others_in(listing, device)))
        seen = {**run.result.witnesses_before, "device_processes": others}
        return replace(run, result=replace(run.result, witnesses_before=seen))

    return launch_watched
