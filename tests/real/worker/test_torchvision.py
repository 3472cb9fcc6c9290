"""torchvision's models by name bring the inputs that their family takes."""

from __future__ import annotations

import functools
import warnings
from typing import Any

import pytest
import torch

from tuner.worker import build, weights
from tuner.worker.failure import RunError
from tuner.worker.models import torchvision
from tuner.worker.protocol import InputSpec, ModelSpec, Role, TrialSpec
from tuner.worker.tree import leaves
from tuner.worker.workload import Workload

IMAGE = (1, 3, 224, 224)


@functools.cache
def workload_of(name: str, *shapes: tuple[int, ...]) -> Workload:
    model = ModelSpec("torchvision", name, inputs=[InputSpec(list(shape)) for shape in shapes])
    spec = TrialSpec("s", 0, Role.PROBE, "cpu", model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torch's own quantising
        return build.workload_of(build.load(spec), spec)


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("squeezenet1_1", {"[0]": IMAGE}),
        ("raft_small", {"[0]": IMAGE, "[1]": IMAGE}),
        ("mc3_18", {"[0]": (1, 3, 16, 112, 112)}),
        ("ssdlite320_mobilenet_v3_large", {"[0][0]": (3, 224, 224)}),
        ("quantized_shufflenet_v2_x0_5", {"[0]": IMAGE}),
    ],
)
def test_a_name_brings_the_inputs_of_its_family(name: str, inputs: dict[str, Any]) -> None:
    args = workload_of(name).args
    assert {place: tuple(tensor.shape) for place, tensor in leaves(args)} == inputs


@pytest.mark.parametrize(
    ("family", "shapes"),
    [
        ("inception", [[1, 3, 299, 299]]),
        ("quantization.inception", [[1, 3, 299, 299]]),
        ("segmentation.fcn", [[1, 3, 224, 224]]),
        ("video.mvit", [[1, 3, 16, 224, 224]]),
    ],
)
def test_a_family_has_the_shapes_of_its_package(family: str, shapes: list[list[int]]) -> None:
    assert torchvision._shapes(family) == shapes


def test_other_inputs_than_a_family_takes_are_answered_with_those_to_give() -> None:
    with pytest.raises(RunError) as error:
        workload_of("raft_small", IMAGE)
    assert str(error.value) == (
        "torchvision's raft_small takes other inputs: give --input 1x3x224x224 --input 1x3x224x224"
    )


def test_what_is_called_quantised_computes_in_integers() -> None:
    module = workload_of("quantized_shufflenet_v2_x0_5").module
    assert isinstance(module.fc, torch.ao.nn.quantized.Linear)
    assert not list(module.parameters())


def test_a_last_layer_of_zeros_is_drawn_so_that_outputs_can_be_compared() -> None:
    """Vision transformers begin with such a head."""
    module = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 3))
    torch.nn.init.zeros_(module[1].weight)
    torch.nn.init.zeros_(module[1].bias)
    workload = Workload(module, (torch.ones(2, 4),), {}, module)
    weights.calibrate(workload)
    assert 0.1 <= float(workload.call().std()) <= 10.0
