"""Two studies of one model in two environments: what did the upgrade change?

Runs of different days are not paired: what the host drifted between them is in every difference
here, and no interval tells it. `remeasure` makes pairs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..evidence.conclude import conclude
from ..evidence.environment import Difference, differences, shown
from ..evidence.intervals import Comparison, Interval, Verdict, verdict
from ..evidence.measured import Measured
from ..evidence.result import Recommendation
from ..evidence.stats import median, shift_interval
from ..evidence.summary import Summary
from ..language import Message
from ..options import ALIKE
from ..policy import ALL_ERRORS, BATCH_SIZE, MIN_PAIRS, WARMUP
from ..runs.records import RecordedRun
from ..space.model import Configuration
from ..text import command
from ..worker.protocol import Role
from .knob_changes import KnobChange, knob_changes

# What must be alike, beside the options, for a difference to be the environment's.
FACTS_ALIKE = ("backend", "inputs", "parameters")
HOST = (
    "machine",
    "processor",
    "cpus",
    "usable_cpus",
    "cpu_quota",
    "memory_bytes",
    "governor",
    "soc",
)


@dataclass(frozen=True)
class Side:
    """One of the studies: what it found, and where. convolutions: of baseline and best.

    in_turns: was it measured in heats? Otherwise each of its runs was alone.
    """

    study: str
    begun: str
    in_turns: bool
    verdict: Verdict
    recommendation: Recommendation
    speedup: float
    interval: Interval | None
    configuration: Configuration
    batch_size: int | None
    convolutions: tuple[str, str]
    emulated_cann: bool


@dataclass(frozen=True)
class Change:
    """The second study's runs against the first's; the objective's medians of first and second.

    Paired where made in turns, by `remeasure`. batch_size: of all these runs.
    """

    comparison: Comparison
    values: tuple[float, float]
    batch_size: int | None


@dataclass(frozen=True)
class ConfigurationChange:
    """A configuration that both have measured."""

    configuration: Configuration
    batch_size: int | None
    change: Change


@dataclass(frozen=True)
class StudyComparison:
    """The second study against the first. warnings: why it may be unfair.

    baseline: as the environments are. winner: each at its own best. unit: of `values`.

    Where one was measured in turns and the other alone, nothing has an interval, or a verdict.
    """

    first: Side
    second: Side
    objective: str
    unit: str
    warnings: tuple[Message, ...]
    environment: tuple[Difference, ...]
    baseline: Change | None
    winner: Change | None
    configurations: tuple[ConfigurationChange, ...]
    knobs: tuple[KnobChange, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def compare(first: Summary, second: Summary) -> StudyComparison:
    """Raises StudyConflictError where one of them has measured nothing."""
    sides = _side(first), _side(second)
    batches = [summary.space.default_batch() for summary in (first, second)]
    base, winner = None, None  # never one batch size against another
    if batches[0] == batches[1]:
        base = _change(
            first, second, *(_runs(one, one.space.baseline()) for one in (first, second))
        )
    if sides[0].batch_size == sides[1].batch_size:
        winner = _change(first, second, *(_runs(one, best(one)) for one in (first, second)))
    return StudyComparison(
        first=sides[0],
        second=sides[1],
        objective=first.objective.name,
        unit=first.objective.unit,
        warnings=tuple(_warnings(first, second)),
        environment=tuple(differences(*map(_fingerprint, (first, second)))),
        baseline=base,
        winner=winner,
        configurations=tuple(_configurations(first, second)),
        knobs=tuple(knob_changes(first, second)),
    )


def best(summary: Summary) -> Configuration:
    """What a study recommends, in full; its baseline where the defaults are to be kept."""
    result = conclude(summary)
    base = summary.space.baseline(result.evidence.batch_size)
    if result.recommendation == "keep the defaults":
        return base
    changed = {n: v for n, v in result.configuration.items() if n not in (WARMUP, BATCH_SIZE)}
    return {**base, **changed}


def _side(summary: Summary) -> Side:
    result = conclude(summary)
    evidence = result.minimal.over_baseline if result.minimal else result.evidence
    return Side(
        study=result.study,
        begun=f"{summary.study.created_at:%Y-%m-%d %H:%M} UTC",
        in_turns=summary.in_turns,
        verdict=result.verdict,
        recommendation=result.recommendation,
        speedup=evidence.speedup,
        interval=evidence.interval,
        configuration=summary.space.changed(best(summary)),
        batch_size=result.evidence.batch_size,
        convolutions=result.evidence.convolutions,
        emulated_cann=bool(result.environment.get("emulated_cann")),
    )


def _warnings(first: Summary, second: Summary) -> Iterator[Message]:
    if first.in_turns != second.in_turns:
        both = command("compare", first.study.name, second.study.name, "--remeasure")
        yield Message(
            "one study was measured in turns, the other alone, which may differ by itself: no "
            "verdict; both now, measured alike: {command}",
            {"command": both},
        )
    yield from _unfair(first, second)


def _unfair(first: Summary, second: Summary) -> Iterator[Message]:
    pairs = [(name, first.study.setup, second.study.setup) for name in ALIKE]
    pairs += [(name, _probe(first), _probe(second)) for name in FACTS_ALIKE]
    pairs += [(name, _fingerprint(first), _fingerprint(second)) for name in HOST]
    names = set()
    for name, *sides in pairs:
        before, after = (side.get(name) for side in sides)
        if before != after and name not in names:
            names.add(name)
            both = {"before": shown(before), "after": shown(after)}
            yield Message("unfair: {name} differs: {before} and {after}", {"name": name, **both})
    defaults = [summary.space.default_batch() for summary in (first, second)]
    bests = [summary.best.batch_size if summary.best else None for summary in (first, second)]
    for before, after in dict.fromkeys([tuple(defaults), tuple(bests)]):
        if before != after:
            yield Message(
                "batch sizes differ: {before} and {after}; what is measured at either is not "
                "compared",
                {"before": before, "after": after},
            )


def _probe(summary: Summary) -> dict[str, Any]:
    return asdict(summary.study.facts.probe)


def _fingerprint(summary: Summary) -> dict[str, Any]:
    return summary.study.facts.fingerprint


def _runs(summary: Summary, configuration: Configuration) -> list[RecordedRun]:
    """The good runs of a configuration, the undisturbed if any.

    Those of the hold-out where there are some: what was chosen by other runs was lucky in them.
    """
    identity = summary.identity(configuration)
    searched = [r for m in summary.measured if m.configuration == identity for r in m.runs]
    again = [r for r in summary.confirmation_runs if summary.identity(r.configuration) == identity]
    good = [r for r in [*searched, *again] if r.measurement is not None]
    runs = [r for r in good if r.run.uid not in summary.disturbed] or good
    hold_out = [r for r in runs if r.role == Role.HOLD_OUT]
    return hold_out if len(hold_out) >= MIN_PAIRS else runs


def _costs(summary: Summary, runs: Sequence[RecordedRun]) -> list[float]:
    """log(cost) of each run."""
    return [summary.objective.log_cost(value) for value in _values(summary, runs)]


def _change(
    first: Summary, second: Summary, before: list[RecordedRun], after: list[RecordedRun]
) -> Change | None:
    if not before or not after or first.objective != second.objective:
        return None
    old, new = _costs(first, before), _costs(second, after)
    comparable = first.in_turns == second.in_turns
    found = shift_interval(old, new, ALL_ERRORS) if comparable else None
    interval = None
    if found:
        low, high, coverage = found
        low, high = round(math.exp(low), 4), round(math.exp(high), 4)
        interval = Interval(low, high, round(coverage, 4), smallest_effect=None)
    ruling: Verdict = "unclear" if comparable else "not comparable"
    if interval:
        ruling = verdict(interval.low, interval.high)
    speedup = round(math.exp(median([a - b for a in old for b in new])), 4)
    runs = len(before), len(after)
    return Change(
        comparison=Comparison(ruling, speedup, interval, runs, paired=False),
        values=(_value(first, before), _value(second, after)),
        batch_size=int(size) if (size := before[0].configuration.get(BATCH_SIZE)) else None,
    )


def _values(summary: Summary, runs: Sequence[RecordedRun]) -> list[float]:
    return [summary.objective.of(r.measurement) for r in runs if r.measurement is not None]


def _value(summary: Summary, runs: Sequence[RecordedRun]) -> float:
    return round(median(_values(summary, runs)), 4)


def _configurations(first: Summary, second: Summary) -> Iterator[ConfigurationChange]:
    """By the knobs that are set, whatever others either space has; the cheapest second first."""
    known = {_key(first, m): m.configuration for m in first.measured if m.value is not None}
    both = [m for m in second.measured if m.value is not None and _key(second, m) in known]
    both.sort(key=lambda m: second.objective.log_cost(m.value or 1.0))
    for measured in both:
        before = _runs(first, known[_key(second, measured)])
        after = _runs(second, measured.configuration)
        change = _change(first, second, before, after)
        if change:
            changed = second.space.changed(measured.configuration)
            yield ConfigurationChange(changed, measured.batch_size, change)


def _key(summary: Summary, measured: Measured) -> tuple[object, ...]:
    changed = summary.space.changed(measured.configuration)
    return measured.batch_size, *sorted(changed.items())
