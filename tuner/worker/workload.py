"""The model with its inputs, as the knobs transform it and the measurement calls it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple

from .protocol import InputSpec
from .tree import map_tensors, tensors_of

INTEGER_INPUTS_BELOW = 100  # random integer inputs are token-like: small and not negative


@dataclass
class Workload:
    """What is measured: `forward(*args, **kwargs)`. Knob modules change its fields in place.

    warnings: of a mode, such as that a trace keeps one way of a branch, or overwrites its output.
    phase: times a part of what a mode does, by name. exports: the folder for exported files.
    exported: the name of the file that is called in the model's place.
    """

    module: Any
    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]
    forward: Callable[..., Any]
    warnings: List[str] = field(default_factory=list)
    phase: Callable[[str], Any] = nullcontext
    exports: str = "."
    exported: str = ""

    def call(self) -> Any:
        """One inference."""
        return self.forward(*self.args, **self.kwargs)

    def map_inputs(self, function: Callable[[Any], Any]) -> None:
        """Replace each input tensor by `function(tensor)`."""
        self.args = tuple(map_tensors(arg, function) for arg in self.args)
        self.kwargs = {key: map_tensors(arg, function) for key, arg in self.kwargs.items()}


def split_example(example: Any) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """A factory's example inputs as (args, kwargs): a tensor, a tuple or list, or a mapping."""
    if isinstance(example, Mapping):
        return (), {str(name): example[name] for name in example}
    if type(example) in (list, tuple):
        return tuple(example), {}
    return (example,), {}


def make_inputs(specs: List[InputSpec], seed: int) -> Tuple[Any, ...]:
    """Random tensors, the same for the same seed and shapes."""
    import torch

    generator = torch.Generator("cpu").manual_seed(seed)
    inputs = []
    for spec in specs:
        dtype = getattr(torch, spec.dtype)
        if dtype.is_floating_point:
            drawn = torch.randn(spec.shape, generator=generator, dtype=torch.float32, device="cpu")
        else:
            high = 2 if dtype == torch.bool else INTEGER_INPUTS_BELOW
            drawn = torch.randint(
                0, high, spec.shape, generator=generator, dtype=torch.int64, device="cpu"
            )
        inputs.append(drawn.to(dtype))
    return tuple(inputs)


def batch_of(args: Tuple[Any, ...], kwargs: Dict[str, Any], dim: Optional[int] = 0) -> int:
    """The size of that dimension of the first input tensor that has it; 1 where there is none.

    dim: None where the model has no batch.
    """
    for tensor in tensors_of([args, kwargs]):
        if dim is not None and tensor.dim() > dim:
            return int(tensor.shape[dim])
    return 1


def resize_batch(workload: Workload, batch_size: int, dim: int = 0) -> None:
    """Repeat or cut that dimension of every input that has the example's batch size there."""
    workload.args, workload.kwargs = resized(workload.args, workload.kwargs, batch_size, dim)


def resized(
    args: Tuple[Any, ...], kwargs: Dict[str, Any], batch_size: int, dim: int
) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """The inputs at another batch size."""
    import torch

    present = batch_of(args, kwargs, dim)
    if present == batch_size:
        return args, kwargs
    index = torch.arange(batch_size, device="cpu") % present

    def of_size(tensor: Any) -> Any:
        if tensor.dim() <= dim or tensor.shape[dim] != present:
            return tensor
        return tensor.index_select(dim, index.to(tensor.device)).contiguous()

    return (
        tuple(map_tensors(arg, of_size) for arg in args),
        {name: map_tensors(arg, of_size) for name, arg in kwargs.items()},
    )


def other_inputs(workload: Workload) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """Inputs of the same shapes that a mode has not seen: each tensor backwards, floats negated.

    What a mode has kept of the first inputs (a branch, a constant, a length) shows in these.
    Integers stay between their smallest and largest, mirrored: so what is sorted stays sorted, and
    a mask of the first few becomes one of another few.
    """

    def other(tensor: Any) -> Any:
        if tensor.is_quantized or not tensor.dim() or not tensor.numel():
            return tensor
        backwards = tensor.flip(list(range(tensor.dim())))
        if tensor.is_floating_point() or tensor.is_complex():
            return -backwards
        if str(tensor.dtype) == "torch.bool":
            return backwards if bool(tensor.all()) else ~backwards
        return tensor.min() + tensor.max() - backwards

    args = tuple(map_tensors(arg, other) for arg in workload.args)
    return args, {name: map_tensors(arg, other) for name, arg in workload.kwargs.items()}
