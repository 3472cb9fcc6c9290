"""What stands in the cells of tables: figures as text, and the tables themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from rich.table import Table

from ..language import say


class Bounds(Protocol):
    """Anything with two ends."""

    @property
    def low(self) -> float:
        """The lower one."""

    @property
    def high(self) -> float:
        """The upper one."""


class Rows(NamedTuple):
    """A table as text, for the terminal and for the page. note: a line below it."""

    headers: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    note: str = ""


def times(ratio: float) -> str:
    """`3.26x`."""
    if ratio < 0.1:
        return f"{ratio:.2g}x"
    return f"{ratio:.2f}x" if abs(ratio - 1) >= 0.1 else f"{ratio:.3f}x"


def with_interval(ratio: float, interval: Bounds | None) -> str:
    """`2.95x (2.90x … 3.01x)`."""
    return times(ratio) + (f" ({times(interval.low)} … {times(interval.high)})" if interval else "")


def milliseconds(value: float | None) -> str:
    """`6.609 ms`, or nothing."""
    return "" if value is None else f"{value:.4g} ms"


def mebibytes(value: float | None) -> str:
    """`310 MiB`, or nothing."""
    return "" if value is None else f"{value:.0f} MiB"


def percentile(value_ms: float | None) -> str:
    """A percentile, or that there are too few samples for it."""
    return milliseconds(value_ms) or say("too few samples")


def shortened(text: str, width: int | None) -> str:
    """The text, cut where it would make a column too wide."""
    return text if width is None or len(text) <= width else text[: width - 1] + "…"


def new_table(*headers: str) -> Table:
    """A table without rules; a column that is too narrow folds."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for header in headers:
        table.add_column(header, overflow="fold")
    return table


def table(rows: Rows) -> Table:
    """The rows for the terminal, the note left below them."""
    cells = new_table(*rows.headers)
    for row in rows.rows:
        cells.add_row(*row)
    cells.caption, cells.caption_justify = rows.note or None, "left"
    return cells
