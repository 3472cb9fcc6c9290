"""Parameters that come late, and state dicts that hold more than tensors."""

import dataclasses

import torch
from torch import nn


def lazy():
    layers = nn.LazyConv2d(8, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10)
    return nn.Sequential(*layers), torch.randn(1, 3, 8, 8)


def lazy_inside():
    """The lazy part is not the first one that is called."""
    body = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.LazyLinear(8), nn.LazyBatchNorm1d()))
    return nn.Sequential(body, nn.Linear(8, 2)), torch.randn(3, 4)


def lazy_transposed():
    layers = nn.LazyConvTranspose2d(4, 3), nn.LazyInstanceNorm2d(affine=True)
    return nn.Sequential(*layers), torch.randn(1, 3, 8, 8)


@dataclasses.dataclass
class _Recipe:
    largest: float = 6.0


class _Scaled(nn.Linear):
    """As quantising libraries make them."""

    recipe = None

    def forward(self, x):
        return super().forward(x).clamp(max=self.recipe.largest)

    def get_extra_state(self):
        return self.recipe

    def set_extra_state(self, state):
        self.recipe = state


def _scaled(inputs, outputs):
    layer = _Scaled(inputs, outputs)
    layer.recipe = _Recipe()
    return layer


def extra_state():
    return nn.Sequential(_scaled(16, 8), nn.ReLU(), _scaled(8, 4)), torch.randn(1, 16)


class _Ranges(nn.Linear):
    """Its extra state is a dict with a tensor in it."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.ranges = {"largest": torch.tensor(6.0), "steps": 255}

    def forward(self, x):
        return super().forward(x).clamp(max=float(self.ranges["largest"]))

    def get_extra_state(self):
        return self.ranges

    def set_extra_state(self, state):
        self.ranges = state


def extra_state_with_tensors():
    return _Ranges(16, 4), torch.randn(1, 16)


def quantised():
    """Weights that are packed: no tensor, but an object of the engine's."""
    net = nn.Sequential(nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 4))
    return torch.ao.quantization.quantize_dynamic(net, {nn.Linear}), torch.randn(1, 16)
