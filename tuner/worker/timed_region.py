"""What is timed as one call, and the copies in and out timed apart."""

from __future__ import annotations

from typing import Any, Callable, Dict

from . import measure
from .tree import map_tensors, tensors_of
from .workload import Workload

TRANSFER_SAMPLES = 10


def timed_region(workload: Workload, region: str, device: str) -> Callable[[], Any]:
    """The call that is timed: inference, with the copy out, or with the copies in and out.

    Raises ValueError for another region.
    """
    if region == "inference":
        return workload.call

    def to_host(output: Any) -> Any:
        return [tensor.to("cpu") for tensor in tensors_of(output)]

    if region == "inference+d2h":
        return lambda: to_host(workload.call())
    if region != "end-to-end":
        raise ValueError("there is no timed region {!r}".format(region))
    host_args, host_kwargs = map_tensors(
        (workload.args, workload.kwargs), lambda tensor: tensor.to("cpu")
    )

    def end_to_end() -> Any:
        args, kwargs = map_tensors((host_args, host_kwargs), lambda tensor: tensor.to(device))
        return to_host(workload.forward(*args, **kwargs))

    return end_to_end


def transfers(workload: Workload, synchronize: Any, clock: Any, device: str) -> Dict[str, Any]:
    """Copies in and out, timed apart; nothing to time where the host is the device."""
    if device == "cpu":
        return {}
    host = map_tensors([workload.args, workload.kwargs], lambda tensor: tensor.to("cpu"))
    output = workload.call()
    copy_in = _timed_copy(host, device)
    copy_out = _timed_copy(output, "cpu")
    return {
        "host_to_device_ns": measure.warm_up(copy_in, synchronize, clock, TRANSFER_SAMPLES),
        "device_to_host_ns": measure.warm_up(copy_out, synchronize, clock, TRANSFER_SAMPLES),
    }


def _timed_copy(value: Any, device: str) -> Callable[[], Any]:
    """A call that copies every tensor of `value` to `device`."""
    return lambda: map_tensors(value, lambda tensor: tensor.to(device))
