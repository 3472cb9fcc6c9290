"""A workload behind an engine of `applied/engines`, however its inputs and output are nested."""

from __future__ import annotations

import importlib
import os
from typing import Any

import torch

from ..failure import one_line, unsupported
from ..protocol import ReadBack
from ..tree import map_tensors, tensors_of
from ..workload import Workload


class Engine:
    """A workload's forward that an engine executes. loaded: the engine's own object, from `path`.

    back, threads: what it says that it is, and how many it says that it has.
    """

    def __init__(self, call: Any, loaded: Any, path: str, output: Any) -> None:
        self.call, self.loaded, self.path, self.output = call, loaded, path, output
        self.back = self.threads = ReadBack("", False, "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        outputs = iter(self.call(self.loaded, tensors_of([args, kwargs])))
        return map_tensors(self.output, lambda _: next(outputs))


def engine(name: str, workload: Workload, **options: Any) -> Engine:
    """The workload's model exported, once a study, and loaded by the engine of that name.

    options: of the engine's `load`. Raises RunError.
    """
    at_work = importlib.import_module("...applied.engines." + name, __name__)
    file = importlib.import_module("...applied.engines.file", __name__)
    example = workload.args, workload.kwargs
    tensors = tensors_of(example)

    def flat_call(*given: Any) -> Any:
        rest = iter(given)
        args, kwargs = map_tensors(example, lambda _: next(rest))
        return tensors_of(workload.module(*args, **kwargs))

    def make(path: str) -> None:
        with workload.phase("export"):
            at_work.export(file.Flat(workload.module, flat_call), tensors, path)

    try:
        with torch.no_grad():
            output = workload.module(*workload.args, **workload.kwargs)  # for its structure
        named = file.digest(workload.module, tensors, *at_work.decides()) + at_work.SUFFIX
        path = file.exported(os.path.join(workload.exports, named), make)
        with workload.phase("load"):
            loaded = at_work.load(path, **options)
    except Exception as error:  # models and engines fail in more ways than can be named
        raise unsupported("{}: {}".format(name, one_line(error)))
    workload.exported = named
    return Engine(at_work.call, loaded, path, output)
