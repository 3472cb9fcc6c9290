"""A user's own model: `file.py:factory` or `package.module:factory`.

The factory takes no arguments and returns a module, or (module, example inputs), where example
inputs are a tensor, a tuple of positional arguments or a dict of keyword arguments.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any

from ..failure import unsupported
from ..protocol import ModelSpec
from . import Loaded


def load(spec: ModelSpec) -> Loaded:
    """Import the file or module and call the factory."""
    import torch

    place, _, factory_name = spec.reference.rpartition(":")
    module = _import_file(place) if place.endswith(".py") else _import_module(place, spec.folder)
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        raise unsupported("{} has no function {!r}".format(place, factory_name))
    result = factory()
    pair = isinstance(result, tuple) and len(result) == 2
    model, example = result if pair else (result, None)
    if not isinstance(model, torch.nn.Module):
        raise unsupported(
            "{} returned {}, not a torch.nn.Module or (module, example inputs)".format(
                spec.reference, type(model).__name__
            )
        )
    return Loaded(model.eval(), example)


def _import_file(path: str) -> Any:
    """Import a file as its author runs it: its folder on the path, its own name as `sys.argv`.

    The folder comes last and the module has a name of ours, so that neither hides another module.
    """
    if not os.path.isfile(path):
        raise unsupported("there is no file {}".format(path))
    sys.path.append(os.path.dirname(os.path.abspath(path)))
    sys.argv[:] = [path]
    name = "npu_tune_model_" + os.path.splitext(os.path.basename(path))[0]
    module_spec = importlib.util.spec_from_file_location(name, path)
    assert module_spec is not None
    assert module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[name] = module
    try:
        module_spec.loader.exec_module(module)
    except ImportError as error:
        if "relative import" not in str(error):
            raise
        raise unsupported(
            "{} belongs to a package ({}): name it as PACKAGE.MODULE:FACTORY, from the folder that "
            "holds the package".format(path, error)
        )
    return module


def _import_module(name: str, folder: str) -> Any:
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise unsupported("cannot import {!r} from {}: {}".format(name, folder, error))
