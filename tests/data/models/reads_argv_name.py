"""It finds what lies beside it by the name that it was started under, and has an optional word."""

import os
import sys

import torch
from torch import nn

HERE = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
WIDTH = int(sys.argv[1]) if len(sys.argv) > 1 else 48


def make():
    assert HERE == "models"
    return nn.Linear(64, WIDTH), torch.randn(1, 64)
