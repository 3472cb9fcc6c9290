"""Models as people have them, small; each factory takes no arguments."""

import dataclasses
import os
import random
import sys
import warnings

import numpy as np
import torch
from torch import nn


class _Clamping(nn.Module):
    """Only the first call changes anything."""

    def forward(self, x):
        return x.clamp_(min=0.5) * 2


def changes_input_once():
    return _Clamping(), torch.rand(1, 8)


class _Remembering(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(8), persistent=False)

    def forward(self, x):
        self.state = 0.5 * self.state + x[0]
        return x + self.state


def keeps_state():
    return _Remembering(), torch.randn(2, 8)


class _Forces(nn.Module):
    def forward(self, x):
        x = x.detach().requires_grad_()
        return torch.autograd.grad((x**3).sum(), x)[0]


def needs_gradients():
    return _Forces(), torch.randn(3, 8)


def other_randomness():
    """What torch.manual_seed does not govern: NumPy, random, and the order of a set."""
    words = [float(word) for word in {str(number) for number in range(8)}]
    drawn = np.random.rand(8).astype("float32")
    inputs = torch.tensor([words]) + torch.from_numpy(drawn) + random.random()
    return nn.Linear(8, 2), inputs


class _Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(4, 8)

    def forward(self, x, state):
        return self.rnn(x, state)


def time_first():
    return _Recurrent(), (torch.randn(6, 2, 4), torch.zeros(1, 2, 8))


@dataclasses.dataclass
class _Answer:
    logits: torch.Tensor
    loss: float


class _Records(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Linear(4, 2)

    def forward(self, x):
        return _Answer(self.net(x), 0.5)


def records():
    return _Records(), torch.randn(3, 4)


class _Mean(nn.Module):
    """Its rows are not independent."""

    def forward(self, x):
        return x - x.cumsum(0)


def rows_depend():
    return _Mean(), torch.randn(3, 4)


class _Fades(nn.Module):
    """Computes with numbers that are nearer to zero than any normal one."""

    def forward(self, x):
        return 1 + x * 1e-20 * 1e-20


def subnormal():
    return _Fades(), torch.randn(2, 4)


def changes_its_process():
    """Everything that belongs to the process, as a script may that only means itself."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")
    warnings.simplefilter("error")
    os.chdir("/")
    sys.stdout.close()
    sys.stderr.close()
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).to_empty(device="cpu")
    for parameter in model.parameters():
        nn.init.uniform_(parameter.data)
    return model, torch.rand(1, 4, device="cpu")
