"""Random weights that give a check something to bite on.

torchvision's fresh weights let the activations of a deep convnet fade: mobilenet_v2's logits are
below 1e-8, where any output looks like any other. Batch-norm statistics calibrated on the seeded
input, and the last layer scaled, bring the output to the order of one.
"""

from __future__ import annotations

import os
from typing import Any, List

from .exchange import replacing
from .failure import unsupported
from .workload import Workload, tensors_of

CALIBRATION_PASSES = 2


def calibrate(workload: Workload) -> None:
    """Set batch-norm statistics from the workload's input, then scale the last layer."""
    import torch

    norms = [
        m for m in workload.module.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)
    ]
    with torch.no_grad():
        if norms:
            _set_statistics(workload, norms)
        last: List[Any] = []
        hooks = [
            module.register_forward_hook(lambda module, *_: last.append(module))
            for module in workload.module.modules()
            if isinstance(module, (torch.nn.Linear, torch.nn.modules.conv._ConvNd))
        ]
        spread = _spread(workload.call())
        for hook in hooks:
            hook.remove()
        if last and 0.0 < spread < float("inf") and not 0.1 <= spread <= 10.0:
            for parameter in last[-1].parameters():
                parameter.div_(spread)


def _set_statistics(workload: Workload, norms: List[Any]) -> None:
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain average over the passes
        norm.train()
    try:
        for _ in range(CALIBRATION_PASSES):
            workload.call()
    except ValueError:
        # One value per channel: batch statistics do not exist, the initial ones stay.
        for norm in norms:
            norm.reset_running_stats()
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        norm.eval()


def _spread(output: Any) -> float:
    import torch

    values = [t.detach().reshape(-1).double() for t in tensors_of(output) if t.is_floating_point()]
    return float(torch.cat(values).std()) if values else 0.0


def save(module: Any, path: str) -> None:
    """Write the state dict, atomically, for all runs of the study."""
    import torch

    with replacing(path) as file:
        torch.save(module.state_dict(), file)


def load(module: Any, path: str) -> None:
    """Load a state dict; `weights_only`, because a file from a stranger must not run code."""
    import torch

    if not os.path.isfile(path):
        raise unsupported("there is no weights file {}".format(path))
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling errors have no common type
        raise unsupported(
            "{} does not load with weights_only=True: {}".format(path, str(error).splitlines()[0])
        )
    state = state.get("state_dict", state) if isinstance(state, dict) else state
    try:
        module.load_state_dict(state)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise unsupported(
            "{} does not fit the model: {}".format(path, " ".join(str(error).split())[:300])
        )
