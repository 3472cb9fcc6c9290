"""A model behind an engine: exported to a file, loaded from it, called as the model is."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Callable, Dict, List, Tuple

import torch

from ...tree import map_tensors, tensors_of
from .file import Flat, digest, exported


class Behind:
    """Takes what the model takes, gives what it gives, however that is nested.

    engine: its functions. stem: where the file lies, up to what names its content. phase: times
    parts of it, by name. options: of the engine's `load`. What is no tensor stays as it was in the
    example. Raises what the export or the engine raises.
    """

    def __init__(
        self,
        engine: Any,
        model: Any,
        args: Tuple[Any, ...],
        kwargs: Dict[str, Any],
        stem: str,
        phase: Callable[[str], Any] = nullcontext,
        **options: Any,
    ) -> None:
        self.engine, self.names, tensors = engine, list(kwargs), tensors_of([args, kwargs])
        self.like = [(tensor.shape, tensor.dtype, tensor.stride()) for tensor in tensors]

        def call(*given: Any) -> Any:
            rest = iter(given)
            own_args, own_kwargs = map_tensors((args, kwargs), lambda _: next(rest))
            return tensors_of(model(*own_args, **own_kwargs))

        def make(path: str) -> None:
            with phase("export"):
                engine.export(Flat(model, call), tensors, path)

        with torch.no_grad():
            self.output = map_tensors(model(*args, **kwargs), lambda tensor: tensor.detach())
        content = digest(model, tensors, self.names, *engine.decides())
        self.path = exported(stem + content + engine.SUFFIX, make)
        with phase("load"):
            self.loaded = engine.load(self.path, **options)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if set(kwargs) != set(self.names):
            text = "arguments by name are {}, in the example they were {}"
            raise TypeError(text.format(sorted(kwargs), sorted(self.names)))
        given = tensors_of([args, {name: kwargs[name] for name in self.names}])
        outputs = iter(self.engine.call(self.loaded, self._fitting(given)))
        return map_tensors(self.output, lambda _: next(outputs))

    def _fitting(self, tensors: List[Any]) -> List[Any]:
        """As the file was made for them, in the same order in memory: compiled code counts on it.

        Raises TypeError for another shape or type.
        """
        seen = [(tensor.shape, tensor.dtype) for tensor in tensors]
        if seen != [(shape, dtype) for shape, dtype, _ in self.like]:
            text = "inputs are {}, the engine's file is for {}: prepare the model with such inputs"
            raise TypeError(text.format(_shown(seen), _shown(self.like)))
        return [
            tensor.detach() if tensor.stride() == stride else _laid_out(tensor, stride)
            for tensor, (_, _, stride) in zip(tensors, self.like)
        ]


def _laid_out(tensor: Any, stride: Tuple[int, ...]) -> Any:
    return torch.empty_strided(tensor.shape, stride, dtype=tensor.dtype).copy_(tensor.detach())


def _shown(tensors: List[Any]) -> str:
    return ", ".join("{} of {}".format(tuple(shape), dtype) for shape, dtype, *_ in tensors)


def behind_engine(model: Any, inputs: Any, **options: Any) -> Behind:
    """What `prepare` of an exported module does; the file lies beside that module.

    inputs: a tuple, or a mapping of arguments by name.
    """
    named = isinstance(inputs, Mapping)
    args, kwargs = ((), dict(inputs)) if named else (tuple(inputs), {})
    stem = os.path.splitext(os.path.abspath(__file__))[0] + "-"
    return Behind(sys.modules[__name__], model, args, kwargs, stem, **options)
