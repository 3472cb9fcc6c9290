"""A model saved by torch.export.save (.pt2)."""

from __future__ import annotations

import os

from .. import file_kind
from ..failure import one_line, unsupported
from ..protocol import ModelSpec
from . import Loaded


def load(spec: ModelSpec) -> Loaded:
    """Load the exported program; example inputs are taken from it where it kept them."""
    import torch

    if not hasattr(torch, "export") or not hasattr(torch.export, "load"):
        raise unsupported("torch {} has no torch.export.load".format(torch.__version__))
    path = spec.reference
    if not os.path.isfile(path):
        raise unsupported("there is no file {}".format(path))
    if file_kind.kind_of(path) != file_kind.EXPORTED:
        text = "{} is not a program of torch.export.save: {}"
        raise unsupported(text.format(path, file_kind.text_of(path)))
    try:
        program = torch.export.load(path)
    except Exception as error:  # a schema, an operator or a type that this torch does not know
        raise unsupported(
            "{} was exported by torch {} and torch {} does not read it ({}): export it anew with "
            "that".format(
                path, file_kind.exported_by(path) or "?", torch.__version__, one_line(error)
            )
        )
    example = getattr(program, "example_inputs", None)
    args, kwargs = example if example else ((), {})
    return Loaded(
        program.module(), kwargs if kwargs and not args else (args or None), repeatable=True
    )
