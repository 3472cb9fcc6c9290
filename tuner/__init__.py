"""npu-tune: find the settings that make a model fast, and prove it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import load_result, replay_study, tune
    from .deploy.apply import Settings, apply
    from .deploy.best import BestConfiguration
    from .deploy.best import load as load_best
    from .evidence.result import Result

__all__ = [
    "BestConfiguration", "Result", "Settings",
    "apply", "load_best", "load_result", "replay_study", "tune",
]  # fmt: skip
__version__ = "0.1.0"

_HOMES = {
    "BestConfiguration": ("deploy.best", "BestConfiguration"),
    "Result": ("evidence.result", "Result"),
    "Settings": ("deploy.apply", "Settings"),
    "apply": ("deploy.apply", "apply"),
    "load_best": ("deploy.best", "load"),
    "load_result": ("api", "load_result"),
    "replay_study": ("api", "replay_study"),
    "tune": ("api", "tune"),
}


def __getattr__(name: str) -> Any:
    """Loaded on first use: `npu-tune --help` must not wait for pydantic or Optuna."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOMES[name]
    return getattr(import_module(f".{module}", __name__), attribute)
