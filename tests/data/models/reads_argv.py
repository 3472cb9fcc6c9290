"""A research script: it reads the command line when it is imported."""

import argparse

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--width", type=int, default=32)
options = parser.parse_args()


def make():
    return nn.Linear(64, options.width), torch.randn(1, 64)
