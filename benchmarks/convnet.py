"""A small convolutional network for benchmarks on the emulated CANN, where torchvision may lack."""

from __future__ import annotations

# A user's model file: the worker loads it.
import torch  # noqa: TID251
from torch import nn  # noqa: TID251

LAYERS = 10


def make() -> tuple[nn.Module, torch.Tensor]:
    """Ten convolutions with their ReLUs, and an example input of 1x8x16x16."""
    layers: list[nn.Module] = []
    for _ in range(LAYERS):
        layers += [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers), torch.randn(1, 8, 16, 16)
