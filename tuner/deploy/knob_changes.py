"""What each knob did in two studies, and whether it does something else now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..evidence.effects import Effect, every_effect
from ..evidence.summary import Summary
from ..evidence.verdict import judge
from ..language import Message
from ..policy import BATCH_SIZE, PRACTICAL_EFFECT, WARMUP
from ..space.model import Value
from ..space.narrowing import why_left_out
from ..worker.protocol import Outcome

State = Literal["helps", "harms", "inert", "default", "unclear", "unsupported", "not measured"]
GONE: State = "unsupported"
INERT_WITHIN = 0.05  # an effect whose whole interval is nearer to none


@dataclass(frozen=True)
class KnobChange:
    """One value of one knob: what it did in either study.

    default_moved: leaving the knob alone means another value in the second. why: it cannot be set
    any more, where that is known.
    """

    name: str
    value: Value
    before: State
    after: State
    effects: tuple[Effect | None, Effect | None]
    default_moved: bool = False
    why: Message | None = None

    @property
    def changed(self) -> bool:
        """Is it known to do something else now?"""
        known = {self.before, self.after} - {"unclear", "not measured"}
        moved = self.default_moved and "default" in known
        return self.before != self.after and (moved or len(known) == 2)


def knob_changes(first: Summary, second: Summary) -> Iterator[KnobChange]:
    """Every value of every knob that either study knows, other than the knobs' defaults."""
    sides = (first, second)
    effects = [_effects(summary) for summary in sides]
    unset, unset_later = (summary.meanings.unset for summary in sides)
    moved = {n for n, v in unset.items() if unset_later.get(n, v) != v}
    known = dict.fromkeys(
        (knob.name, value)
        for summary in sides
        for knob in summary.space.knobs
        for value in knob.domain
        if knob.name not in (WARMUP, BATCH_SIZE) and value != knob.default
    )
    for name, value in known:
        (before, earlier), (after, later) = (
            _state(summary, name, value, of_study.get((name, value)))
            for summary, of_study in zip(sides, effects, strict=True)
        )
        without = [s for s, state in ((second, after), (first, before)) if state == GONE]
        why = _why_gone(without[0], name, value) if without else None
        yield KnobChange(name, value, before, after, (earlier, later), name in moved, why)


def _effects(summary: Summary) -> dict[tuple[str, Value], Effect]:
    """By the search's fit; by the fresh pairs where these were about one value alone."""
    found = every_effect(summary, summary.best.batch_size if summary.best else None)
    if summary.baseline and summary.best:
        judged = judge(summary)
        tried = summary.space.changed(judged.best.configuration)
        interval = judged.comparison.interval
        if interval and len(tried) == 1:
            effect = Effect(judged.comparison.speedup, interval.low, interval.high)
            found[next(iter(tried.items()))] = effect
    return found


def _state(
    summary: Summary, name: str, value: Value, effect: Effect | None
) -> tuple[State, Effect | None]:
    """What a value did in a study."""
    if why_left_out(summary.space, name, value):
        return GONE, None
    if summary.meanings.unset.get(name) == value:
        return "default", None
    if (name, value) in summary.meanings.inert:
        return "inert", None
    outcomes = {m.outcome for m in summary.measured if m.configuration.get(name) == value}
    if outcomes and outcomes <= {Outcome.UNSUPPORTED, Outcome.CRASHED}:
        return GONE, None
    if effect is None:
        return "not measured", None
    if max(effect.high - 1, 1 - effect.low) <= INERT_WITHIN:
        return "inert", effect
    if effect.low > 1 + PRACTICAL_EFFECT:
        return "helps", effect
    return ("harms" if effect.high < 1 / (1 + PRACTICAL_EFFECT) else "unclear"), effect


def _why_gone(summary: Summary, name: str, value: Value) -> Message | None:
    """Why a value cannot be set in a study: what was left out, or the failed run's message."""
    messages = (
        Message(r.run.result.message)
        for measured in summary.measured
        if measured.configuration.get(name) == value
        for r in measured.runs
    )
    return why_left_out(summary.space, name, value) or next(messages, None)
