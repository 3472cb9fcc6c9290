"""ModelSpec -> Workload on the device."""

from __future__ import annotations

import importlib
from typing import Any

from . import repeatable, weights
from .failure import unsupported
from .models import Loaded
from .protocol import TrialSpec
from .workload import Workload, make_inputs, split_example


def load(spec: TrialSpec) -> Loaded:
    """The model from its source, seeded."""
    repeatable.seed(spec.seed)
    source = importlib.import_module("..models." + spec.model.source, __name__)
    loaded: Loaded = source.load(spec.model)
    if spec.model.weights not in (None, "DEFAULT"):
        weights.load(loaded.module, str(spec.model.weights))
        loaded = loaded._replace(random_weights=False)
    elif spec.model.weights == "DEFAULT" and not loaded.repeatable:
        raise unsupported("--weights DEFAULT: only torchvision's models have weights of their own")
    return loaded


def workload_of(loaded: Loaded, spec: TrialSpec) -> Workload:
    """The module with its inputs, still on the host and at the example's batch size."""
    if spec.model.inputs:
        example: Any = make_inputs(spec.model.inputs, spec.seed)
    else:
        example = loaded.example
    if example is None:
        raise unsupported(
            "{} brings no example inputs: give their shape, for example --input 1x3x224x224".format(
                spec.model.reference
            )
        )
    args, kwargs = split_example(example)
    workload = Workload(loaded.module, args, kwargs, loaded.module)
    repeatable.take_inputs(workload, spec.inputs_path)
    return workload


def call_where_lazy(workload: Workload) -> None:
    """Parameters that have no shape before the first call get one."""
    import torch

    parameters = [*workload.module.parameters(), *workload.module.buffers()]
    if any(torch.nn.parameter.is_lazy(parameter) for parameter in parameters):
        with torch.no_grad():
            workload.call()


def to_device(workload: Workload, device: str) -> None:
    """Move weights and inputs."""
    if device != "cpu":
        workload.module.to(device)
        workload.map_inputs(lambda tensor: tensor.to(device))
