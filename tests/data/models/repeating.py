"""Models that do not give the same twice, and such that leave something changed."""

import os
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F


class _Normalising(nn.Module):
    def forward(self, image):
        image.sub_(0.45).div_(0.22)  # after some 60 calls: infinity, then NaN
        return image.mean((2, 3))


def changes_its_input():
    return _Normalising(), torch.rand(1, 3, 8, 8)


class _Masking(nn.Module):
    """The scores of a keyword argument are overwritten, by the same in each call."""

    def forward(self, scores, mask):
        scores.masked_fill_(mask, -1e4)
        return scores.softmax(1)


def changes_a_keyword():
    return _Masking(), {"scores": torch.randn(2, 6), "mask": torch.arange(12).reshape(2, 6) > 8}


class _Appending(nn.Module):
    """The cache that it is given grows with each call."""

    def forward(self, x, cache):
        cache.append(x * 2)
        return x + sum(cache)


def grows_its_input():
    return _Appending(), (torch.randn(1, 8), [torch.zeros(1, 8)])


class _Popping(nn.Module):
    """The second call does not find what the first has taken."""

    def forward(self, batch):
        return batch.pop("x") * 2


def pops_its_input():
    return _Popping(), ({"x": torch.randn(1, 8)},)


class _AlwaysDropping(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(64, 8)

    def forward(self, x):
        return self.head(F.dropout(x, 0.1))  # training=True by default


def random_in_forward():
    return _AlwaysDropping(), torch.randn(4, 64)


class _Variational(nn.Module):
    """Samples a code, as it does in training."""

    def __init__(self):
        super().__init__()
        self.mean, self.spread, self.decoder = nn.Linear(8, 4), nn.Linear(8, 4), nn.Linear(4, 8)

    def forward(self, x):
        mean, spread = self.mean(x), self.spread(x).exp()
        return self.decoder(mean + spread * torch.randn_like(mean))


def variational():
    return _Variational(), torch.randn(4, 8)


class _Crops(nn.Module):
    """Its random numbers are the standard library's and NumPy's."""

    def forward(self, x):
        return x * random.random() + float(np.random.rand())


def random_outside_torch():
    return _Crops(), torch.randn(4, 8)


class _Entropy(nn.Module):
    """Random numbers that no seed governs."""

    def forward(self, x):
        return x + float(np.random.default_rng().random())


def unseeded():
    return _Entropy(), torch.randn(4, 8)


def other_input():
    """What users write most: the example input comes from NumPy."""
    return nn.Linear(64, 8), torch.from_numpy(np.random.rand(1, 64).astype("float32"))


def other_input_stdlib():
    return nn.Linear(64, 8), torch.tensor([[random.random() for _ in range(64)]])


def other_input_unseeded():
    """NumPy's own advice: a generator that no global seed governs."""
    return nn.Linear(64, 8), torch.from_numpy(np.random.default_rng().random((1, 64), "float32"))


def other_weights():
    """Weights from where no seed governs them."""
    model = nn.Linear(64, 8)
    with torch.no_grad():
        model.weight.copy_(torch.from_numpy(np.random.default_rng().random((8, 64))))
    return model, torch.ones(1, 64)


class _Counting(nn.Module):
    """The output does not depend on the count; torch.compile guards on it all the same."""

    def __init__(self):
        super().__init__()
        self.net, self.calls = nn.Linear(16, 4), 0

    def forward(self, x):
        self.calls += 1
        return self.net(x)


def counts_its_calls():
    return _Counting(), torch.randn(4, 16)


class _Collecting(nn.Module):
    """Keeps what it has seen, as people do who look at activations."""

    def __init__(self):
        super().__init__()
        self.net, self.activations = nn.Linear(16, 4), []

    def forward(self, x):
        self.activations.append(self.net(x))
        return self.activations[-1]


def collects_activations():
    return _Collecting(), torch.randn(4, 16)


class _Alternating(nn.Module):
    """Every other call leaves a part out."""

    def __init__(self):
        super().__init__()
        self.net, self.calls = nn.Linear(16, 4), 0

    def forward(self, x):
        self.calls += 1
        return self.net(x) if self.calls % 2 else self.net(x).relu()


def alternates():
    return _Alternating(), torch.randn(4, 16)


def sets_threads():
    torch.set_num_threads(1)  # as some speech packages do when they are imported
    return nn.Linear(16, 4), torch.randn(2, 16)


class _Greedy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(16, 4)

    def forward(self, x):
        torch.set_num_threads(1)
        return self.net(x)


def sets_threads_in_forward():
    return _Greedy(), torch.randn(2, 16)


def sets_default_dtype():
    torch.set_default_dtype(torch.float64)
    return nn.Linear(16, 4), torch.randn(2, 16)


def changes_folder():
    os.chdir("/")
    return nn.Linear(16, 4), torch.randn(2, 16)
