"""A model saved by torch.jit.save."""

from __future__ import annotations

import os

from .. import file_kind
from ..failure import one_line, unsupported
from ..protocol import ModelSpec
from . import Loaded


def load(spec: ModelSpec) -> Loaded:
    """Load the archive onto the host; it carries its own weights, but no example inputs."""
    import torch

    path = spec.reference
    if not os.path.exists(path):
        raise unsupported("there is no file {}".format(path))
    if os.path.isdir(path) or file_kind.kind_of(path) != file_kind.TORCHSCRIPT:
        raise unsupported("{} is not TorchScript: {}".format(path, file_kind.text_of(path)))
    try:
        module = torch.jit.load(path, map_location="cpu")
    except RuntimeError as error:
        raise unsupported(
            "{}: torch {} does not read this TorchScript ({}): save it anew with that".format(
                path, torch.__version__, one_line(error)
            )
        )
    return Loaded(module.eval(), None, repeatable=True)
