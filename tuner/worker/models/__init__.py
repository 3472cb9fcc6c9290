"""One module per model source. Each has `load(spec) -> Loaded` and raises RunError."""

from __future__ import annotations

from typing import Any, NamedTuple


class Loaded(NamedTuple):
    """A module in eval mode, with what the source knows about it.

    example: example inputs (a tensor, a tuple, a dict) or None.
    random_weights: freshly initialised by the source, to be calibrated.
    repeatable: loaded from a file, so that each run has the same weights anyway.
    """

    module: Any
    example: Any
    random_weights: bool = False
    repeatable: bool = False
