"""torchvision's models by name."""

from __future__ import annotations

import difflib
from typing import Any, Dict, List

from ..failure import environment_error, unsupported
from ..protocol import InputSpec, ModelSpec
from ..workload import make_inputs
from . import Loaded

# What a family takes, by its package in torchvision 0.22 (its own transforms and examples), where
# that is not one image of 224 pixels a side: clips of 16 frames, two images, images of 299.
IMAGE = [1, 3, 224, 224]
SHAPES = {
    "inception": [[1, 3, 299, 299]],
    "optical_flow": [IMAGE, IMAGE],
    "video": [[1, 3, 16, 224, 224]],
    "video.resnet": [[1, 3, 16, 112, 112]],
}
DETECTION = "detection"  # takes a list of images


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
    builder = torchvision.models.get_model_builder(spec.reference)
    family = builder.__module__.replace("torchvision.models.", "")
    shapes = _shapes(family)
    _require_such(spec, shapes)
    try:
        module = builder(weights=weights, **_options(builder))
    except RuntimeError as error:  # of a quantising engine that is not there
        raise unsupported("torchvision's {}: {}".format(spec.reference, error))
    inputs: Any = make_inputs([InputSpec(shape) for shape in shapes], torch.initial_seed())
    if family.startswith(DETECTION):
        inputs = ([image for image in inputs[0]],)
    return Loaded(
        module.eval(), inputs, random_weights=spec.weights is None, repeatable=weights is not None
    )


def _names(torchvision: Any) -> List[str]:
    return list(torchvision.models.list_models())


def _shapes(family: str) -> List[List[int]]:
    """Of `video.resnet` its own, or its package's, or one image."""
    package, _, last = family.rpartition(".")
    return SHAPES.get(family) or SHAPES.get(last) or SHAPES.get(package) or [IMAGE]


def _require_such(spec: ModelSpec, shapes: List[List[int]]) -> None:
    """Raises RunError for other inputs than the model takes."""
    if spec.inputs and [len(one.shape) for one in spec.inputs] != [len(one) for one in shapes]:
        given = " ".join("--input " + "x".join(map(str, shape)) for shape in shapes)
        raise unsupported(
            "torchvision's {} takes other inputs: give {}".format(spec.reference, given)
        )


def _options(builder: Any) -> Dict[str, Any]:
    """No download for a part of it, and in integers what is called quantised."""
    import inspect

    wanted = {"weights_backbone": None, "quantize": True}
    parameters = inspect.signature(builder).parameters
    return {name: value for name, value in wanted.items() if name in parameters}
