"""torchvision's models by name."""

from __future__ import annotations

import difflib
from typing import Any, List

from ..failure import environment_error, unsupported
from ..protocol import InputSpec, ModelSpec
from ..workload import make_inputs
from . import Loaded

# torchvision's own minimum input sizes differ from the usual 224 for these families.
INPUT_SIDE = {"inception_v3": 299}
USUAL_INPUT_SIDE = 224


def load(spec: ModelSpec) -> Loaded:
    """Build the named model. Weights: None is random, "DEFAULT" is torchvision's own."""
    import torch

    try:
        import torchvision
    except Exception as error:  # a torchvision for another torch fails in many ways
        raise environment_error(
            "torchvision does not import in the worker's interpreter ({}): install the one that "
            "fits torch {}, or name a model file as file.py:factory".format(
                error, torch.__version__
            )
        )
    names = _names(torchvision)
    if spec.reference not in names:
        near = difflib.get_close_matches(spec.reference.lower(), names, 3, 0.5)
        hint = (
            "nearest: {}".format(", ".join(near)) if near else "for example: mobilenet_v2, resnet18"
        )
        raise unsupported(
            "torchvision {} has no model {!r}; {}".format(
                torchvision.__version__, spec.reference, hint
            )
        )
    weights = "DEFAULT" if spec.weights == "DEFAULT" else None
    options = (
        {}
        if "weights_backbone" not in _options(torchvision, spec.reference)
        else {"weights_backbone": None}
    )
    module = torchvision.models.get_model(spec.reference, weights=weights, **options)
    side = INPUT_SIDE.get(spec.reference, USUAL_INPUT_SIDE)
    inputs = make_inputs([InputSpec([1, 3, side, side])], torch.initial_seed())
    return Loaded(
        module.eval(), inputs, random_weights=spec.weights is None, repeatable=weights is not None
    )


def _names(torchvision: Any) -> List[str]:
    return list(torchvision.models.list_models())


def _options(torchvision: Any, name: str) -> Any:
    import inspect

    return inspect.signature(torchvision.models.get_model_builder(name)).parameters
