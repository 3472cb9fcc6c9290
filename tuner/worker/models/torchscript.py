"""A model saved by torch.jit.save."""

from __future__ import annotations

import os

from ..failure import unsupported
from ..protocol import ModelSpec
from . import Loaded


def load(spec: ModelSpec) -> Loaded:
    """Load the archive onto the host; it carries its own weights, but no example inputs."""
    import torch

    if not os.path.isfile(spec.reference):
        raise unsupported("there is no file {}".format(spec.reference))
    try:
        module = torch.jit.load(spec.reference, map_location="cpu")
    except RuntimeError as error:
        raise unsupported(
            "{} is not a TorchScript archive: {}".format(spec.reference, str(error).splitlines()[0])
        )
    return Loaded(module.eval(), None, repeatable=True)
