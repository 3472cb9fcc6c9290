"""Is what a configuration computes what the baseline computes?

Outputs are compared relative to the size of the reference: an absolute tolerance accepts anything
from a model whose outputs are tiny.
"""

from __future__ import annotations

import hashlib
from typing import Any, List

from .exchange import replacing
from .protocol import OutputCheck
from .workload import tensors_of


def flatten(output: Any) -> List[Any]:
    """The output's tensors on the host, in float64 and contiguous."""
    import torch

    return [tensor.detach().to("cpu", torch.float64).contiguous() for tensor in tensors_of(output)]


def digest(tensors: List[Any]) -> str:
    """A hash of shapes and values: equal only for outputs equal to the last bit."""
    sha = hashlib.sha256()
    for tensor in tensors:
        sha.update(repr(tuple(tensor.shape)).encode())
        sha.update(tensor.numpy().tobytes() if hasattr(tensor, "numpy") else b"")
    return sha.hexdigest()[:16]


def store_reference(output: Any, path: str) -> OutputCheck:
    """Make this output the reference for its input shape."""
    import torch

    tensors = flatten(output)
    with replacing(path) as file:
        torch.save(tensors, file)
    reason = why_unusable(tensors)
    return OutputCheck("impossible" if reason else "reference", digest(tensors), None, reason)


def load_reference(path: str) -> List[Any]:
    """What `store_reference` wrote."""
    import torch

    return list(torch.load(path, map_location="cpu", weights_only=True))


def why_unusable(reference: List[Any]) -> str:
    """Why nothing can be told from this reference; "" where it can."""
    import torch

    values = [tensor.reshape(-1) for tensor in reference if tensor.numel()]
    if not values:
        return "the baseline's output holds no tensor values"
    flat = torch.cat(values)
    if not bool(torch.isfinite(flat).all()):
        return "the baseline's output holds NaN or infinity"
    if float(flat.abs().max()) == 0.0:
        return "the baseline's output is all zeros"
    if flat.numel() > 1 and float(flat.max()) == float(flat.min()):
        return "the baseline's output is one constant"
    return ""


def check(output: Any, reference: List[Any], tolerance: float) -> OutputCheck:
    """Compare an output with the reference, tensor by tensor."""
    tensors = flatten(output)
    own = digest(tensors)
    reason = why_unusable(reference)
    if reason:
        return OutputCheck("impossible", own, None, reason)
    shapes = [tuple(tensor.shape) for tensor in tensors]
    expected = [tuple(tensor.shape) for tensor in reference]
    if shapes != expected:
        return OutputCheck("failed", own, None, "shapes {} instead of {}".format(shapes, expected))
    error = max(_relative_error(*pair) for pair in zip(tensors, reference))
    if error <= tolerance:
        return OutputCheck("passed", own, error)
    why = "relative error {:.3g}, allowed {:.3g}".format(error, tolerance)
    return OutputCheck("failed", own, error if error != float("inf") else None, why)


def _relative_error(tensor: Any, reference: Any) -> float:
    import torch

    if not tensor.numel():
        return 0.0
    difference = (tensor - reference).abs()
    if not bool(torch.isfinite(difference).all()):
        return float("inf")
    scale = float(reference.abs().max())
    largest = float(difference.max())
    return largest / scale if scale else (0.0 if largest == 0.0 else float("inf"))
