"""A model saved by torch.export.save (.pt2)."""

from __future__ import annotations

import os

from ..failure import unsupported
from ..protocol import ModelSpec
from . import Loaded


def load(spec: ModelSpec) -> Loaded:
    """Load the exported program; example inputs are taken from it where it kept them."""
    import torch

    if not hasattr(torch, "export") or not hasattr(torch.export, "load"):
        raise unsupported("torch {} has no torch.export.load".format(torch.__version__))
    if not os.path.isfile(spec.reference):
        raise unsupported("there is no file {}".format(spec.reference))
    program = torch.export.load(spec.reference)
    example = getattr(program, "example_inputs", None)
    args, kwargs = example if example else ((), {})
    return Loaded(
        program.module(), kwargs if kwargs and not args else (args or None), repeatable=True
    )
