"""The model with its inputs, as the knobs transform it and the measurement calls it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Tuple

from .protocol import InputSpec

INTEGER_INPUTS_BELOW = 100  # random integer inputs are token-like: small and not negative


@dataclass
class Workload:
    """What is measured: `forward(*args, **kwargs)`. Knob modules change its fields in place."""

    module: Any
    args: Tuple[Any, ...]
    kwargs: Dict[str, Any]
    forward: Callable[..., Any]

    def call(self) -> Any:
        """One inference."""
        return self.forward(*self.args, **self.kwargs)

    def map_inputs(self, function: Callable[[Any], Any]) -> None:
        """Replace each input tensor by `function(tensor)`."""
        self.args = tuple(map_tensors(arg, function) for arg in self.args)
        self.kwargs = {key: map_tensors(arg, function) for key, arg in self.kwargs.items()}


def map_tensors(value: Any, function: Callable[[Any], Any]) -> Any:
    """Apply `function` to every tensor in nested tuples, lists and dicts."""
    import torch

    if isinstance(value, torch.Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, function) for item in value))
    if isinstance(value, (list, tuple)):
        return type(value)(map_tensors(item, function) for item in value)
    if isinstance(value, dict):
        return {key: map_tensors(item, function) for key, item in value.items()}
    return value


def tensors_of(value: Any) -> List[Any]:
    """Every tensor in nested tuples, lists, dicts and dataclass-like outputs, in order."""
    tensors: List[Any] = []
    map_tensors(value if not hasattr(value, "to_tuple") else value.to_tuple(), tensors.append)
    return tensors


def split_example(example: Any) -> Tuple[Tuple[Any, ...], Dict[str, Any]]:
    """A factory's example inputs as (args, kwargs): a tensor, a tuple or list, or a dict."""
    if isinstance(example, dict):
        return (), example
    if isinstance(example, (list, tuple)):
        return tuple(example), {}
    return (example,), {}


def make_inputs(specs: List[InputSpec], seed: int) -> Tuple[Any, ...]:
    """Random tensors, the same for the same seed and shapes."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    inputs = []
    for spec in specs:
        dtype = getattr(torch, spec.dtype)
        if dtype.is_floating_point:
            tensor = torch.randn(spec.shape, generator=generator).to(dtype)
        else:
            high = 2 if dtype == torch.bool else INTEGER_INPUTS_BELOW
            tensor = torch.randint(0, high, spec.shape, generator=generator).to(dtype)
        inputs.append(tensor)
    return tuple(inputs)


def batch_of(args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> int:
    """The leading dimension of the first input tensor; 1 where there is none."""
    for tensor in tensors_of([args, kwargs]):
        if tensor.dim() > 0:
            return int(tensor.shape[0])
    return 1


def resize_batch(workload: Workload, batch_size: int) -> None:
    """Repeat or cut the leading dimension of every input that has the example's batch size."""
    import torch

    present = batch_of(workload.args, workload.kwargs)
    if present == batch_size:
        return

    def resized(tensor: Any) -> Any:
        if tensor.dim() == 0 or tensor.shape[0] != present:
            return tensor
        index = torch.arange(batch_size) % present
        return tensor[index].contiguous()

    workload.map_inputs(resized)
