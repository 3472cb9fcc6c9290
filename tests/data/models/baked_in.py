"""Models of which a mode may keep what it saw of its first inputs; types that round coarsely."""

import torch
from torch import nn


class _TwoWays(nn.Module):
    """Which of two heads runs depends on the input's values."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.bright, self.dark = nn.Linear(8, 4), nn.Linear(8, 4)

    def forward(self, image):
        features = self.stem(image).mean((2, 3))
        if image.mean() > 0:
            return self.bright(features)
        return self.dark(features)


def branch_on_data():
    return _TwoWays(), torch.rand(1, 3, 8, 8)


class _LeavesEarly(nn.Module):
    """As many layers as it takes to be sure."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8) for _ in range(4)])

    def forward(self, x):
        for layer in self.layers:
            x = torch.tanh(layer(x) + x)
            if float(x.sum()) > 0:
                break
        return x


def leaves_early():
    return _LeavesEarly(), torch.ones(1, 8)


class _Unpadded(nn.Module):
    """Cuts a sentence where its padding begins: a length that is a Python number."""

    def __init__(self):
        super().__init__()
        self.words, self.head = nn.Embedding(20, 8), nn.Linear(8, 4)

    def forward(self, ids, mask):
        length = int(mask.sum())
        return self.head(self.words(ids[:, :length]).mean(1))


def length_from_data():
    ids = torch.arange(12).reshape(1, 12)
    return _Unpadded(), {"ids": ids, "mask": (ids < 5).long()}


def _net(width=32):
    layers = [part for _ in range(4) for part in (nn.Linear(width, width), nn.LayerNorm(width))]
    return nn.Sequential(*layers, nn.Linear(width, 8))


def bfloat16():
    return _net().bfloat16(), torch.randn(8, 32).bfloat16()


def float16():
    return _net().half(), torch.randn(8, 32).half()


class _FloatLogits(nn.Module):
    """The body rounds coarsely, and its answer is handed over as float32."""

    def __init__(self):
        super().__init__()
        self.body = _net().bfloat16()

    def forward(self, x):
        return self.body(x.bfloat16()).float()


def bfloat16_body():
    return _FloatLogits(), torch.randn(8, 32)


class _Pointwise(nn.Module):
    """Inductor makes one parallel loop of it, with the number of threads written into the code."""

    def forward(self, x):
        return torch.tanh(x) * torch.sigmoid(x) + torch.sin(x)


def pointwise():
    return _Pointwise(), torch.randn(1, 200_000)


def rows():
    """A parallel loop with a reduction in it."""
    return nn.Sequential(nn.LayerNorm(64), nn.GELU(), nn.Softmax(1)), torch.randn(4096, 64)


def channels():
    """A parallel loop over an image."""
    return nn.Sequential(nn.InstanceNorm2d(16), nn.SiLU()), torch.randn(1, 16, 64, 64)
