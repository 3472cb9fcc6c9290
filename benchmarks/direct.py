"""Torchvision's models with seeded weights, and each behind an engine as one would call it by hand.

A factory is `<model>` or `<model>_<way>`: `onnxruntime` with the options that it has by itself,
`openvino` in f32, `openvino_default` in whatever type it chooses.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from typing import Any

import torch  # noqa: TID251
import torchvision
from torch import nn  # noqa: TID251


def session(model: nn.Module, x: torch.Tensor) -> Callable[[Any], Any]:
    """ONNX Runtime, every option left alone."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(model, (x,), path, dynamo=True, external_data=False, input_names=["x"])
        loaded = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return lambda x: loaded.run(None, {"x": x.numpy()})[0]


def compiled(model: nn.Module, x: torch.Tensor, **options: str) -> Callable[[Any], Any]:
    """OpenVINO, converted by itself, for latency."""
    import openvino

    converted = openvino.convert_model(model, example_input=x)
    converted.reshape(list(x.shape))
    loaded = openvino.Core().compile_model(
        converted, "CPU", {"PERFORMANCE_HINT": "LATENCY", **options}
    )
    return lambda x: loaded([x.numpy()])[0]


class ByHand(nn.Module):  # type: ignore[misc]
    """Made ready in its first call."""

    def __init__(self, model: nn.Module, ready: Callable[..., Callable[[Any], Any]]) -> None:
        super().__init__()
        self.model, self.ready = model, ready
        self.run: Callable[[Any], Any] | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.run is None:
            self.run = self.ready(self.model, x)
        return torch.from_numpy(self.run(x))


WAYS: dict[str, Callable[..., Callable[[Any], Any]]] = {
    "onnxruntime": session,
    "openvino": lambda model, x: compiled(model, x, INFERENCE_PRECISION_HINT="f32"),
    "openvino_default": compiled,
}


def __getattr__(name: str) -> Callable[[], Any]:
    """A factory by its name."""
    model, way = name, ""
    for suffix in WAYS:
        if name.endswith("_" + suffix):
            model, way = name[: -len(suffix) - 1], suffix
    if not hasattr(torchvision.models, model):
        raise AttributeError(name)

    def make() -> Any:
        torch.manual_seed(0)
        made = torchvision.models.get_model(model).eval()
        return (ByHand(made, WAYS[way]) if way else made), torch.randn(1, 3, 224, 224)

    return make
