"""Figures as inline SVG: text in, text out, nothing fetched. Colours come from the page's style.

Every figure is WIDTH units wide and scales with the page; 13 units of text stay readable on a
phone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

WIDTH = 480
LEFT, RIGHT = 12, 468  # of what is drawn
BESIDE = 70  # right of the labels of levels
ROW = 30
HEAD = 18  # above a row: its label
BINS = 48
PARTS = 9  # colours of a stacked row
CROSS = "\u00d7"


@dataclass(frozen=True)
class Row:
    """A label with a value and its interval; style: a class of the page."""

    label: str
    value: float
    low: float
    high: float
    style: str = "best"


@dataclass(frozen=True)
class Series:
    """Points joined by a line."""

    points: tuple[tuple[float, float], ...]
    style: str = "best"


@dataclass(frozen=True)
class Distribution:
    """Samples of one configuration, and the medians of its runs."""

    label: str
    samples: tuple[float, ...]
    medians: tuple[float, ...]
    style: str = "best"


@dataclass(frozen=True)
class Axis:
    """Values to units along a figure's width, linear or logarithmic."""

    low: float
    high: float
    log: bool = False
    first: float = LEFT
    last: float = RIGHT

    def at(self, value: float) -> float:
        """Where a value lies; what lies outside is put on the edge."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(value)
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.first + share * (self.last - self.first), 1)

    def ticks(self, count: int = 5) -> list[float]:
        """Round values, at most about `count` of them."""
        if self.log and self.high / self.low > 3:
            steps = [m * 10.0**e for e in range(-9, 13) for m in (1, 2, 5)]
        else:
            rough = (self.high - self.low) / count or 1.0
            size = 10.0 ** math.floor(math.log10(rough))
            step = next(m * size for m in (1, 2, 5, 10) if m * size >= rough)
            first = math.ceil(self.low / step)
            steps = [step * n for n in range(first, first + count + 2)]
        inside = [tick for tick in steps if self.low <= tick <= self.high]
        return inside[:: max(1, math.ceil(len(inside) / (count + 2)))]


def axis_of(values: Sequence[float], log: bool = False) -> Axis:
    """An axis that holds all the values, with some room."""
    low, high = min(values), max(values)
    if log and low > 0:
        room = (high / low) ** 0.05 if high > low else 1.05
        return Axis(low / room, high * room, True)
    room = 0.05 * (high - low) or abs(high) * 0.05 or 1.0
    return Axis(low - room, high + room)


def distributions(rows: Sequence[Distribution], unit: str, title: str) -> str:
    """A histogram for each configuration, over one axis; the medians of runs as ticks below."""
    everything = sorted(value for row in rows for value in row.samples)
    edge = everything[math.ceil(0.99 * len(everything)) - 1]  # the rare long ones are at the edge
    medians = [value for row in rows for value in row.medians]
    axis = axis_of([everything[0], max(edge, *medians)], log=True)
    height, parts = 70, []
    for number, row in enumerate(rows):
        bottom = HEAD + number * (height + HEAD) + height - 12
        parts.append(_text(LEFT, bottom - height + 24, row.label))
        parts.append(_histogram(row, axis, bottom, height - 30))
        for value in row.medians:
            x = axis.at(value)
            parts.append(_line(x, bottom + 1, x, bottom + 9, row.style))
    return _figure(parts, axis, len(rows) * (height + HEAD) + 6, unit, title)


def _histogram(row: Distribution, axis: Axis, bottom: float, height: float) -> str:
    counts, size = [0] * BINS, (RIGHT - LEFT) / BINS
    for value in row.samples:
        counts[min(BINS - 1, int((axis.at(value) - LEFT) / size))] += 1
    most = max(counts)
    points = [f"{LEFT},{bottom}"]
    for number, count in enumerate(counts):
        y = round(bottom - height * count / most, 1)
        points += [f"{LEFT + number * size:.1f},{y}", f"{LEFT + (number + 1) * size:.1f},{y}"]
    points.append(f"{RIGHT},{bottom}")
    return f'<polygon class="{row.style} area" points="{" ".join(points)}"/>'


def intervals(rows: Sequence[Row], unit: str, title: str, middle: float = 1.0) -> str:
    """A value with its interval for each row, and a line at what means nothing."""
    ends = [end for row in rows for end in (row.low, row.high)]
    axis = axis_of([middle, *(min(max(end, 0.02), 50.0) for end in ends)], log=True)
    parts = [_line(axis.at(middle), 0, axis.at(middle), len(rows) * (ROW + 8), "faint")]
    for number, row in enumerate(rows):
        y = number * (ROW + 8) + 14
        low, high, x = axis.at(row.low), axis.at(row.high), axis.at(row.value)
        parts.append(_text(LEFT, y, row.label))
        parts.append(_line(low, y + 12, high, y + 12, row.style))
        parts.append(f'<circle class="{row.style}" cx="{x}" cy="{y + 12}" r="4"/>')
    return _figure(parts, axis, len(rows) * (ROW + 8), unit, title)


def stacked(rows: Sequence[tuple[str, Sequence[tuple[str, float]]]], unit: str, title: str) -> str:
    """The parts of a whole for each row, one after the other; a part's name is its tooltip."""
    axis = Axis(0.0, max(sum(value for _, value in parts) for _, parts in rows))
    shapes = []
    for number, (label, parts) in enumerate(rows):
        y, start = number * (ROW + 8) + 14, 0.0
        shapes.append(_text(LEFT, y, f"{label}: {sum(v for _, v in parts):.3g} {unit}"))
        for place, (name, value) in enumerate(parts):
            x, width = axis.at(start), round(axis.at(start + value) - axis.at(start), 1)
            tip = f"<title>{escape(name)} {value:.3g} {escape(unit)}</title>"
            shapes.append(
                f'<rect class="part{place % PARTS}" x="{x}" y="{y + 5}" '
                f'width="{width}" height="14">'
                f"{tip}</rect>"
            )
            start += value
    return _figure(shapes, axis, len(rows) * (ROW + 8), unit, title)


def lines(series: Sequence[Series], x_unit: str, y_unit: str, title: str) -> str:
    """Values over a count such as the batch size; both axes logarithmic."""
    xs = [x for line in series for x, _ in line.points]
    across = replace(axis_of(xs, log=True), first=BESIDE)
    up = _upwards([y for line in series for _, y in line.points], True)
    parts = _levels(up, y_unit)
    for line in series:
        path = " ".join(f"{across.at(x)},{up.at(y)}" for x, y in line.points)
        parts.append(f'<polyline class="{line.style} open" points="{path}"/>')
        parts += [
            f'<circle class="{line.style}" cx="{across.at(x)}" cy="{up.at(y)}" r="3.5"/>'
            for x, y in line.points
        ]
    marks = sorted(set(xs))
    parts += [_text(across.at(x), 194, f"{x:g}", "middle") for x in marks]
    return _svg([*parts, _text(RIGHT, 210, x_unit, "end")], 216, title)


def history(
    points: Sequence[tuple[int, float, str]], failed: Sequence[int], unit: str, title: str
) -> str:
    """The objective of each trial in its order; failed trials as crosses at the top."""
    up = _upwards([value for _, value, _ in points], True)
    across = Axis(0, max([1, *(n for n, _, _ in points), *failed]), first=BESIDE)
    parts = _levels(up, unit)
    for number, value, style in points:
        parts.append(
            f'<circle class="{style}" cx="{across.at(number)}" cy="{up.at(value)}" r="4">'
            f"<title>{number}: {value:.4g} {escape(unit)}</title></circle>"
        )
    for number in failed:
        parts.append(_text(across.at(number), 12, CROSS, "middle"))
    whole = [tick for tick in across.ticks() if tick == int(tick)]
    parts += [_text(across.at(tick), 194, f"{tick:g}", "middle") for tick in whole]
    return _svg(parts, 200, title)


def _upwards(values: Sequence[float], log: bool) -> Axis:
    """An axis from the bottom of a figure to its top."""
    axis = axis_of(values, log and min(values) > 0)
    return Axis(axis.low, axis.high, axis.log, first=176, last=22)


def _levels(up: Axis, unit: str) -> list[str]:
    parts = []
    for tick in up.ticks(4):
        y = up.at(tick)
        parts += [_line(LEFT, y, RIGHT, y, "faint"), _text(LEFT, y - 3, f"{tick:g} {unit}")]
    return parts


def _figure(parts: Sequence[str], axis: Axis, height: float, unit: str, title: str) -> str:
    """With the axis below."""
    shapes = [*parts, _line(LEFT, height, RIGHT, height, "faint")]
    for tick in axis.ticks():
        x = axis.at(tick)
        shapes += [
            _line(x, height, x, height + 4, "faint"),
            _text(x, height + 17, f"{tick:g}", "middle"),
        ]
    shapes.append(_text(RIGHT, height + 33, unit, "end"))
    return _svg(shapes, height + 38, title)


def _svg(parts: Sequence[str], height: float, title: str) -> str:
    name = escape(title, quote=True)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{name}">'
        f"{''.join(parts)}</svg>"
    )


def _line(x: float, y: float, to_x: float, to_y: float, style: str) -> str:
    return f'<line class="{style}" x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>'
