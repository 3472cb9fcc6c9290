"""What the profilers of torch_npu and CANN write, read: pure functions on CSV text.

Column names differ between releases and rows may lack values: what is not there is not counted.
Columns: torch_npu's `profiler/analysis` (prof_common_func/_csv_headers.py, prof_view/*.py) and
"Ascend PyTorch Profiler" of its documentation. Times in the files are in us.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

OUTPUT = "ASCEND_PROFILER_OUTPUT"
START = ("Start Time(us)", "Task Start Time(us)")
DURATION = ("Duration(us)", "Task Duration(us)")
TYPE = ("Type", "OP Type")
CORE = ("Accelerator Core", "Core Type", "Task Type")
CONVERSIONS = ("TransData", "Transpose", "Cast")  # of format and of type
AI_CPU = "AI_CPU"

Row = dict[str, str]


@dataclass(frozen=True)
class Operator:
    """One kind of operator: how often, how long in all, its part of the time of all."""

    name: str
    count: int
    total_us: float
    share: float


@dataclass(frozen=True)
class Kernels:
    """What ran on the device, in `steps` steps; 0: the file does not tell them apart.

    busy_us: union of all streams' intervals; idle_share: 1 - that over their span, each step for
    itself. None where the file has no start times. conversion_share, ai_cpu_share: parts of the
    kernels' summed time.
    """

    count: int
    steps: int
    busy_us: float | None
    idle_share: float | None
    operators: tuple[Operator, ...]
    conversion_share: float
    ai_cpu_share: float
    on_ai_cpu: tuple[str, ...]


@dataclass(frozen=True)
class Steps:
    """Time in which the device worked, over all steps; idle_share: Free over Stage."""

    count: int
    busy_us: float
    idle_share: float


def output_folder(folder: Path) -> Path | None:
    """The parsed output of the newest profile below a folder that has one."""
    folders = [path for path in folder.glob(f"*_ascend_pt/{OUTPUT}") if any(path.iterdir())]
    return max(folders, key=lambda path: path.stat().st_mtime, default=None)


def read(folder: Path | None, name: str) -> str:
    """A file's text; "" where there is none."""
    if folder is None or not (folder / name).is_file():
        return ""
    return (folder / name).read_text(encoding="utf-8-sig", errors="replace")


def kernels(text: str) -> Kernels | None:
    """kernel_details.csv. None where it lists no kernel."""
    timed = [(row, us) for row in rows(text) if (us := number(row, DURATION)) is not None]
    if not timed:
        return None
    in_a_step = [(row, us) for row, us in timed if row.get("Step Id")]
    timed = in_a_step or timed  # a warm-up's kernels have no step
    steps = _intervals(row for row, _ in timed)
    span_us = sum(max(end for _, end in step) - min(step)[0] for step in steps.values())
    busy_us = sum(map(union, steps.values()))
    total_us = sum(us for _, us in timed) or 1.0
    on_ai_cpu = [(row, us) for row, us in timed if AI_CPU in value(row, CORE)]
    converting = [us for row, us in timed if value(row, TYPE).startswith(CONVERSIONS)]
    return Kernels(
        count=len(timed),
        steps=len(steps) if in_a_step else 0,
        busy_us=busy_us if span_us else None,
        idle_share=1 - busy_us / span_us if span_us else None,
        operators=grouped((value(row, TYPE), us) for row, us in timed),
        conversion_share=sum(converting) / total_us,
        ai_cpu_share=sum(us for _, us in on_ai_cpu) / total_us,
        on_ai_cpu=tuple(sorted({value(row, TYPE) for row, _ in on_ai_cpu})),
    )


def steps(text: str) -> Steps | None:
    """step_trace_time.csv. None where it has neither Free nor Stage."""
    pairs = [(number(row, ("Free",)), number(row, ("Stage",))) for row in rows(text)]
    known = [(free, stage) for free, stage in pairs if free is not None and stage]
    stage_us = sum(stage for _, stage in known)
    if not stage_us:
        return None
    free_us = sum(free for free, _ in known)
    return Steps(len(known), stage_us - free_us, free_us / stage_us)


def statistic(text: str) -> tuple[Operator, ...]:
    """op_statistic.csv, the longest first; equal types on different cores together."""
    times: list[tuple[str, float]] = []
    counts: dict[str, int] = {}
    for row in rows(text):
        total_us, count = number(row, ("Total Time(us)",)), number(row, ("Count",))
        if total_us is not None:
            name = value(row, TYPE)
            times.append((name, total_us))
            counts[name] = counts.get(name, 0) + int(count or 0)
    return tuple(replace(operator, count=counts[operator.name]) for operator in grouped(times))


def host_operators(text: str) -> tuple[Operator, ...]:
    """operator_details.csv: own time of each operator on the host, the longest first."""
    times = ((row.get("Name", ""), number(row, ("Host Self Duration(us)",))) for row in rows(text))
    return grouped((name, us) for name, us in times if name and us is not None)


def grouped(times: Iterable[tuple[str, float]]) -> tuple[Operator, ...]:
    """(name, us) pairs added up by name, the longest first."""
    sums: dict[str, list[float]] = {}
    for name, us in times:
        sums.setdefault(name, []).append(us)
    total_us = sum(map(sum, sums.values())) or 1.0
    operators = [Operator(name, len(us), sum(us), sum(us) / total_us) for name, us in sums.items()]
    return tuple(sorted(operators, key=lambda operator: (-operator.total_us, operator.name)))


def union(intervals: Sequence[tuple[float, float]]) -> float:
    """Length of what (start, end) intervals cover together."""
    covered, reached = 0.0, float("-inf")
    for start, end in sorted(intervals):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def rows(text: str) -> Iterator[Row]:
    """Rows by column name; CANN pads values with tabs."""
    lines = text.lstrip("\ufeff").replace("\0", "")
    for row in csv.DictReader(io.StringIO(lines)):
        yield {key.strip(): (cell or "").strip() for key, cell in row.items() if key}


def value(row: Row, names: Sequence[str]) -> str:
    """The first of these columns that is there; "" where none is."""
    return next((row[name] for name in names if name in row), "")


def number(row: Row, names: Sequence[str]) -> float | None:
    """The same as a number; None for `N/A`, an empty or a missing cell."""
    try:
        return float(value(row, names))
    except ValueError:
        return None


def _intervals(kernels: Iterable[Row]) -> dict[str, list[tuple[float, float]]]:
    """Step -> (start, end) of its kernels on all streams, in us."""
    intervals: dict[str, list[tuple[float, float]]] = {}
    for row in kernels:
        start, duration = number(row, START), number(row, DURATION)
        if start is not None and duration is not None:
            intervals.setdefault(row.get("Step Id", ""), []).append((start, start + duration))
    return intervals
