"""npu-tune: find the settings that make a model fast, and prove it."""

from __future__ import annotations

from typing import Any

__all__ = ["BestConfiguration", "load_best"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Loaded on first use: `npu-tune --help` must not wait for pydantic or Optuna."""
    if name in __all__:
        from . import export

        return {"BestConfiguration": export.BestConfiguration, "load_best": export.load}[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
