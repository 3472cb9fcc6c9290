"""A model whose inputs and output are nested, and that leaves one input unused."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Nested(nn.Module):  # type: ignore[misc]
    """Takes an image, a pair with an unused member, and a scale by name; gives a dict."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)

    def forward(self, image: Any, pair: Any, scale: Any = None) -> dict[str, Any]:
        features = self.conv(image).relu().mean((2, 3)) + pair[1]
        logits = self.head(features) * scale
        return {"logits": logits, "parts": (features, logits.argmax(1)), "count": 3}


class Flat(nn.Module):  # type: ignore[misc]
    """Takes an image alone; gives a tuple of two."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Linear(8, 5)

    def forward(self, image: Any) -> Any:
        features = self.conv(image).relu().mean((2, 3))
        return self.head(features), features


def inputs() -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional ones and those by name."""
    torch.manual_seed(4)
    pair = torch.randn(7), torch.randn(2, 8)
    return (torch.randn(2, 3, 16, 16), pair), {"scale": torch.tensor([2.0])}
