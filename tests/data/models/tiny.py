"""Small models for the tests; each factory takes no arguments."""

import torch
from torch import nn


class TwoInputs(nn.Module):
    def forward(self, left, right):
        return {"sum": left + right, "difference": left - right}


def conv():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()), torch.randn(
        1, 3, 16, 16
    )


def convnet():
    layers = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(256, 5)
    return nn.Sequential(*layers), torch.randn(1, 3, 16, 16)


def without_inputs():
    return nn.Linear(4, 2)


def tuple_inputs():
    return TwoInputs(), (torch.randn(2, 4), torch.randn(2, 4))


def dict_inputs():
    return TwoInputs(), {"left": torch.randn(2, 4), "right": torch.randn(2, 4)}


def not_a_module():
    return 42


class _Returns(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        return x * 0 + self.value


def nan():
    return _Returns(float("nan")), torch.randn(1, 4)


def zeros():
    return _Returns(0.0), torch.randn(1, 4)


class _Raises(nn.Module):
    def forward(self, x):
        raise RuntimeError("the cat sat on the keyboard")


def raises():
    return _Raises(), torch.randn(1, 4)


def exits():
    raise SystemExit(5)


class _FallsBack(nn.Module):
    def forward(self, x):
        return torch.linalg.matrix_exp(x) + x


def falls_back():
    return _FallsBack(), torch.randn(1, 4, 4)


def sleeps():
    import time

    time.sleep(600)


def with_loader():
    model, example = convnet()
    dataset = torch.utils.data.TensorDataset(torch.randn(64, 3, 16, 16))
    loader = torch.utils.data.DataLoader(dataset, num_workers=2, multiprocessing_context="fork")
    model.batches = iter(loader)  # whose two workers stay until the process ends
    return model, example


class _Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.bright, self.dark = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        return self.bright(x) if x.mean() > 0 else self.dark(x)


def branches():
    return _Branches(), torch.rand(2, 4)
