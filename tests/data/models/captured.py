"""Models that can be captured as a graph, and models that cannot."""

import torch
from torch import nn


class Layers(nn.Module):
    """Two convolutions; the output is a mapping."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU())

    def forward(self, x):
        return {"features": self.between(self.net(x))}

    def between(self, y):
        return y


class Branches(Layers):
    def between(self, y):
        return y if y.sum() > 0 else -y


class GoesToTheHost(Layers):
    def between(self, y):
        return y.cpu().to(y.device)


class Synchronizes(Layers):
    def between(self, y):
        if y.device.type == "npu":
            torch.npu.synchronize()
        return y


def captured():
    return Layers(), {"x": torch.randn(1, 3, 8, 8)}


def branches():
    return Branches(), {"x": torch.randn(1, 3, 8, 8)}


def goes_to_the_host():
    return GoesToTheHost(), {"x": torch.randn(1, 3, 8, 8)}


def synchronizes():
    return Synchronizes(), {"x": torch.randn(1, 3, 8, 8)}
