"""Is what a configuration computes what the baseline computes?

Every number of an output is looked at: integers exactly, floats relative to the largest of their
tensor, because an absolute tolerance accepts anything from a model whose outputs are tiny.
"""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, NamedTuple, Optional

from .exchange import replacing
from .process_settings import own_filters
from .protocol import OutputCheck
from .tree import leaves

LEAST_TOLERANCE = 1e-3
STEPS = 4  # of the output's own type: what rounds once in each of several operators
STEPS_OF_QUANTISED = 1.01
FIRST, OTHER = "first", "other"  # the inputs that were given; others of the same shapes
WHOLE = "whole"  # the same outputs as a user's own judgement wants them


class Value(NamedTuple):
    """A tensor of an output, on the host. name: its place; tolerance: None where it is exact."""

    name: str
    tensor: Any
    tolerance: Optional[float]


Reference = Dict[str, List[Value]]  # by name of the inputs


@own_filters()
def values_of(output: Any) -> List[Value]:
    """Everything in an output that can be compared, in order."""
    return [value for name, leaf in leaves(output) for value in _plain(name, leaf)]


def by_weights(values: List[Value], module: Any) -> List[Value]:
    """With tolerances of at least the type of the module's weights.

    A body that rounds coarsely often hands its answer over as float32. Types of 8 bits only store.
    """
    import torch

    types = {p.dtype for p in module.parameters() if p.dtype.is_floating_point}
    steps = [torch.finfo(kind).eps for kind in types if torch.finfo(kind).bits >= 16]
    least = STEPS * max(steps, default=0.0)
    return [
        v if v.tolerance is None else v._replace(tolerance=max(v.tolerance, least)) for v in values
    ]


def _plain(name: str, leaf: Any) -> List[Value]:
    """A leaf as dense tensors on the host: real parts and imaginary ones, float64 or int64."""
    import torch

    if not isinstance(leaf, torch.Tensor):
        dtypes = {bool: torch.bool, int: torch.int64, float: torch.float64}
        leaf = torch.as_tensor(leaf, dtype=dtypes.get(type(leaf)), device="cpu")
    tensor = leaf.detach()
    if getattr(tensor, "is_nested", False):
        parts = enumerate(tensor.unbind())
        return [v for place, part in parts for v in _plain("{}[{}]".format(name, place), part)]
    if tensor.is_quantized:
        floats = tensor.dequantize().to("cpu", torch.float64)
        return [Value(name, floats.contiguous(), max(LEAST_TOLERANCE, _step(tensor, floats)))]
    if tensor.layout != torch.strided:
        tensor = tensor.to_dense()
    tensor = tensor.to("cpu")
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor.resolve_conj())
    if not tensor.is_floating_point():
        return [Value(name, tensor.to(torch.int64).contiguous(), None)]
    allowed = max(LEAST_TOLERANCE, STEPS * torch.finfo(tensor.dtype).eps)
    return [Value(name, tensor.to(torch.float64).contiguous(), allowed)]


def _step(quantised: Any, floats: Any) -> float:
    """One step of a quantised tensor, relative to its largest value."""
    import torch

    kinds = (torch.per_tensor_affine, torch.per_tensor_symmetric)
    in_one = quantised.qscheme() in kinds
    scales = quantised.q_scale() if in_one else quantised.q_per_channel_scales()
    largest = _largest(floats)
    return STEPS_OF_QUANTISED * _largest(scales) / largest if largest else 0.0


def _largest(value: Any) -> float:
    import torch

    tensor = torch.as_tensor(value, device="cpu")
    return float(tensor.abs().max()) if tensor.numel() else 0.0


def digest(values: List[Value]) -> str:
    """A hash of shapes and values: equal only for outputs equal to the last bit."""
    sha = hashlib.sha256()
    for value in values:
        sha.update(repr(tuple(value.tensor.shape)).encode())
        sha.update(value.tensor.numpy().tobytes() if hasattr(value.tensor, "numpy") else b"")
    return sha.hexdigest()[:16]


@own_filters()
def store_reference(
    outputs: Reference, path: str, whole: Optional[Dict[str, List[Any]]] = None
) -> None:
    """Make these outputs, by name of the inputs, the references for their input shape."""
    import torch

    stored: Dict[str, Any] = {
        name: [tuple(value) for value in values] for name, values in outputs.items()
    }
    if whole is not None:
        stored[WHOLE] = whole
    with replacing(path) as file:
        torch.save(stored, file)


@own_filters()
def load_reference(path: str) -> Reference:
    """What `store_reference` wrote."""
    import torch

    stored = torch.load(path, map_location="cpu", weights_only=True)
    stored.pop(WHOLE, None)
    return {name: [Value(*value) for value in values] for name, values in stored.items()}


@own_filters()
def load_whole(path: str) -> Dict[str, List[Any]]:
    """What `store_reference` wrote of whole outputs."""
    import torch

    stored = torch.load(path, map_location="cpu", weights_only=True)
    return dict(stored[WHOLE])


def why_unusable(reference: List[Value]) -> str:
    """Why nothing can be told from this reference; "" where it can."""
    import torch

    if not any(value.tensor.numel() for value in reference):
        return "the baseline's output holds no numbers"
    floats = [v.tensor.reshape(-1) for v in reference if v.tolerance is not None]
    floats = [tensor for tensor in floats if tensor.numel()]
    if not floats:
        return ""  # zeros and a constant are fine answers then
    flat = torch.cat(floats)
    if not bool(torch.isfinite(flat).all()):
        return "the baseline's output holds NaN or infinity"
    if float(flat.abs().max()) == 0.0:
        return "the baseline's output is all zeros"
    if flat.numel() > 1 and float(flat.max()) == float(flat.min()):
        return "the baseline's output is one constant"
    return ""


@own_filters()
def check(output: Any, reference: List[Value], tolerance: Optional[float] = None) -> OutputCheck:
    """Compare an output with the reference, value by value.

    tolerance: of all floats; None: by the type of each.
    """
    values = values_of(output)
    own = digest(values)
    reason = why_unusable(reference)
    if reason:
        return OutputCheck("impossible", own, None, reason)
    shapes, expected = _shapes(values), _shapes(reference)
    if shapes != expected:
        return OutputCheck("failed", own, None, "shapes {} instead of {}".format(shapes, expected))
    worst = 0.0
    for value, wanted in zip(values, reference):
        error, why = _difference(value, wanted, tolerance)
        if why:
            return OutputCheck("failed", own, error if error != float("inf") else None, why)
        worst = max(worst, error)
    return OutputCheck("passed", own, worst)


def _shapes(values: List[Value]) -> List[Any]:
    return [tuple(value.tensor.shape) for value in values]


def _difference(value: Value, wanted: Value, tolerance: Optional[float]) -> Any:
    """(relative error, why it is too large or "")."""
    import torch

    if not value.tensor.numel():
        return 0.0, ""
    if wanted.tolerance is None or value.tolerance is None:
        wrong = value.tensor != wanted.tensor
        count = int(wrong.sum())
        return (1.0, _where(wanted, wrong) + ", and integers must be equal") if count else (0.0, "")
    allowed = max(value.tolerance, wanted.tolerance) if tolerance is None else tolerance
    difference = (value.tensor - wanted.tensor).abs()
    scale = _largest(wanted.tensor)
    if not bool(torch.isfinite(difference).all()):
        return float("inf"), _where(wanted, ~torch.isfinite(difference)) + ", with NaN or infinity"
    largest = float(difference.max())
    error = largest / scale if scale else (0.0 if largest == 0.0 else float("inf"))
    if error <= allowed:
        return error, ""
    text = "{}: relative error {:.3g}, allowed {:.3g}"
    return error, text.format(_where(wanted, difference > allowed * scale), error, allowed)


def _where(wanted: Value, wrong: Any) -> str:
    """Which output differs, in how many elements, and in how many rows where others agree."""
    text = "{} of {} elements differ".format(int(wrong.sum()), wrong.numel())
    if wanted.name:
        text = "output {}: {}".format(wanted.name, text)
    if wrong.dim() > 1 and wrong.shape[0] > 1:
        rows = int(wrong.reshape(wrong.shape[0], -1).any(1).sum())
        text += ", in {} of {} rows".format(rows, wrong.shape[0])
        if rows < wrong.shape[0]:
            text += " (all others agree)"
    return text
