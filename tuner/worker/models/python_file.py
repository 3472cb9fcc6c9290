"""A user's own model: `file.py:factory` or `package.module:factory`.

The factory takes no arguments and returns a module, or (module, example inputs), where example
inputs are a tensor, a tuple of positional arguments or a dict of keyword arguments.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from typing import Any, Callable, Tuple

from ..failure import unsupported
from ..protocol import ModelSpec
from . import Loaded


def load(spec: ModelSpec) -> Loaded:
    """Import the file or module and call the factory."""
    import torch

    result = function_of(spec.reference, spec.folder)()
    pair = isinstance(result, tuple) and len(result) == 2
    model, example = result if pair else (result, None)
    if not isinstance(model, torch.nn.Module):
        raise unsupported(
            "{} returned {}, not a torch.nn.Module or (module, example inputs)".format(
                spec.reference, type(model).__name__
            )
        )
    return Loaded(model.eval(), example)


def function_of(reference: str, folder: str) -> Callable[..., Any]:
    """A user's function, by `file.py:name` or `package.module:name`; each file is imported once.

    folder: where packages are looked for. Raises RunError, and whatever the import raises.
    """
    place, _, name = reference.rpartition(":")
    module = _import_file(place) if place.endswith(".py") else _import_module(place, folder)
    function = getattr(module, name, None)
    if not callable(function):
        raise unsupported("{} has no function {!r}".format(place, name))
    wanted: Callable[..., Any] = function
    return wanted


def _import_file(path: str) -> Any:
    """Import a file as its author runs it: its folder on the path, its own name as `sys.argv`.

    The folder comes last and the module has a name of ours, so that neither hides another module.
    """
    if not os.path.isfile(path):
        raise unsupported("there is no file {}".format(path))
    name = "npu_tune_model_" + os.path.splitext(os.path.basename(path))[0]
    while name in sys.modules:
        if sys.modules[name].__file__ == path:
            return sys.modules[name]
        name += "_"  # of another folder
    sys.path.append(os.path.dirname(os.path.abspath(path)))
    sys.argv[:] = [path]
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
            "{} belongs to a package ({}): name it as {}:FUNCTION, from the folder {}".format(
                path, error, *_in_package(path)
            )
        )
    return module


def _in_package(path: str) -> Tuple[str, str]:
    """The module's name from its topmost package on, and the folder that holds that."""
    folder, file = os.path.split(os.path.abspath(path))
    names = [os.path.splitext(file)[0]]
    while True:
        folder, package = os.path.split(folder)
        names.insert(0, package)
        if not os.path.isfile(os.path.join(folder, "__init__.py")):
            return ".".join(names), folder


def _import_module(name: str, folder: str) -> Any:
    """Import a module as `python -m` does; the folder is last on the path from then on."""
    sys.argv[:] = [os.path.join(folder, *name.split(".")) + ".py"]
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise unsupported("cannot import {!r} from {}: {}".format(name, folder, error))
    finally:
        sys.path.remove(folder)
        sys.path.append(folder)
