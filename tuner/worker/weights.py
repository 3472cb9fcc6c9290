"""Random weights that give a check something to bite on.

torchvision's fresh weights let the activations of a deep convnet fade: mobilenet_v2's logits are
below 1e-8, where any output looks like any other. Batch-norm statistics calibrated on the seeded
input, and the last layer scaled (drawn, where it is all zeros), bring the output to the order of
one.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Dict, List

from . import file_kind
from .exchange import replacing
from .failure import unsupported
from .process_settings import own_filters
from .tree import tensors_of
from .workload import Workload

CALIBRATION_PASSES = 2
PLACES = ("state_dict", "model_state_dict", "model")  # of the state dict in a checkpoint
WRAPPERS = ("module.", "_orig_mod.", "module.")  # DataParallel's, torch.compile's, both
EXTRA_STATE = "_extra_state"  # what torch calls it in a state dict
SHOWN_NAMES = 3


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
        if last and spread == 0.0:  # such a head is what vision transformers begin with
            last[-1].reset_parameters()
            spread = _spread(workload.call())
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


@own_filters()
def save(module: Any, path: str) -> None:
    """Write the tensors of the state dict, atomically, for all runs of the study.

    What else it holds (`get_extra_state`) stays as the factory makes it.
    """
    import torch

    with replacing(path) as file:
        torch.save(_tensors(module.state_dict()), file)


@own_filters()
def load(module: Any, path: str) -> None:
    """Load a checkpoint; `weights_only`, because a file from a stranger must not run code.

    Raises RunError for a file that is none, or does not fit.
    """
    known = module.state_dict()
    state = _fitting(_state_of(path), known)
    missing = [name for name in _tensors(known) if name not in state]
    unknown = [name for name in _tensors(state) if name not in known]
    if missing or unknown:
        raise unsupported(
            "{} does not fit the model: it lacks {}, and has {} that the model has not".format(
                path, _listed(missing), _listed(unknown)
            )
        )
    for name in list(known):  # what no file has stays as it is, with the version of its layout
        if name in state:
            known[name] = state[name]
        elif name.endswith(EXTRA_STATE):
            del known[name]
    try:
        module.load_state_dict(known, strict=False)
    except (RuntimeError, AttributeError, TypeError) as error:
        raise unsupported(
            "{} does not fit the model: {}".format(path, " ".join(str(error).split())[:300])
        )


def _tensors(state: Any) -> Dict[str, Any]:
    import torch

    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def _state_of(path: str) -> Dict[str, Any]:
    """The state dict in a file, where checkpoints have it."""
    import torch

    if not os.path.isfile(path):
        raise unsupported("there is no weights file {}".format(path))
    if file_kind.kind_of(path) != file_kind.SAVED:
        raise unsupported("{} is no checkpoint: {}".format(path, file_kind.text_of(path)))
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling errors have no common type
        raise unsupported(
            "{} does not load with weights_only=True ({}): a checkpoint holds tensors by name; a "
            "whole module is loaded by a factory of your own, as file.py:factory".format(
                path, str(error).splitlines()[0]
            )
        )
    for name in PLACES:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    named = isinstance(content, Mapping) and bool(_tensors(content))
    if not named and content != {}:  # a model may have none
        seen = list(content) if isinstance(content, Mapping) else type(content).__name__
        raise unsupported("{} holds no tensors by name, but {}".format(path, _listed(seen)))
    return dict(content)


def _fitting(state: Dict[str, Any], known: Any) -> Dict[str, Any]:
    """Without what wrappers put before every name, where the model has it without."""
    for prefix in WRAPPERS:
        names = set(_tensors(state))
        if all(name.startswith(prefix) for name in names) and not names <= set(known):
            state = {_without(prefix, name): value for name, value in state.items()}
    return state


def _without(prefix: str, name: str) -> str:
    return name[len(prefix) :] if name.startswith(prefix) else name


def _listed(names: Any) -> str:
    names = [names] if isinstance(names, str) else list(map(str, names))
    shown = ", ".join(names[:SHOWN_NAMES])
    more = len(names) - SHOWN_NAMES
    return (shown + " and {} more".format(more) if more > 0 else shown) or "none"
