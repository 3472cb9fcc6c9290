"""What values turned out to be: of a knob left alone, of one that did nothing, of one that fails.

From the recorded runs alone, so that an old study can be judged again by a better rule.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..policy import BATCH_SIZE, WARMUP
from ..runs.records import RecordedRun
from ..space.model import Configuration, SearchSpace, Value
from ..worker.protocol import UNSET, Outcome, ReadBack, Role

Setting = tuple[str, Value]  # a knob with a value
FAILURES = 2  # in different company, before a value that never ran is left out


@dataclass(frozen=True)
class Meanings:
    """What is known of values.

    unset: knob -> what it is when left alone, where the first baseline's read-back is certain.
    inert: what each run that set it read back as if nobody had, with one such read-back.
    failing: what is left out for the rest of the study, with the line of its last failure.
    """

    unset: Configuration = field(default_factory=dict)
    inert: Mapping[Setting, ReadBack] = field(default_factory=dict)
    failing: Mapping[Setting, str] = field(default_factory=dict)

    def identity(self, space: SearchSpace, configuration: Configuration) -> Configuration:
        """Which configuration it is: without warm-up, unset where a value is the same as that."""
        return {
            knob.name: self._canonical(knob.name, configuration[knob.name])
            for knob in space.knobs
            if knob.name != WARMUP
        }

    def does_nothing(self, name: str, value: Value, back: ReadBack | None) -> bool:
        """Does a run that set it read back as its baseline does, certainly?"""
        if name not in self.unset or value in (UNSET, self.unset[name]):
            return False
        return back is not None and back.certain and back.value == self.unset[name]

    def _canonical(self, name: str, value: Value) -> Value:
        same = name in self.unset and self.unset[name] == value
        return UNSET if same or (name, value) in self.inert else value


def meanings(space: SearchSpace, runs: Sequence[RecordedRun]) -> Meanings:
    """What these runs say of values; nothing before the baseline has run."""
    baseline = next((r for r in runs if r.role == Role.BASELINE and r.ok), None)
    if baseline is None:
        return Meanings()
    read_back = baseline.run.result.read_back
    certain = {name: back.value for name, back in read_back.items() if back.certain}
    unset = [knob.name for knob in space.knobs if knob.default == UNSET]
    meant = Meanings({name: certain[name] for name in unset if name in certain})
    meant = replace(meant, inert=_inert(meant, runs))
    return replace(meant, failing=_failing(space, meant, runs))


def _inert(meant: Meanings, runs: Sequence[RecordedRun]) -> dict[Setting, ReadBack]:
    """What did nothing in any good run that set it."""
    inert: dict[Setting, ReadBack] = {}
    acted: set[Setting] = set()
    for recorded in runs:
        for name, back in recorded.run.result.read_back.items() if recorded.ok else ():
            value = recorded.configuration.get(name, UNSET)
            if meant.does_nothing(name, value, back):
                inert.setdefault((name, value), back)
            else:
                acted.add((name, value))
    return {setting: back for setting, back in inert.items() if setting not in acted}


def _failing(
    space: SearchSpace, meant: Meanings, runs: Sequence[RecordedRun]
) -> dict[Setting, str]:
    """What failed twice in different company and never ran, with the last failure's line.

    What is unsupported, once: it says so of itself. Only failures for which nothing else in the
    configuration is to blame: all of it has run.
    """
    identities = [meant.identity(space, recorded.configuration) for recorded in runs]
    of_runs = [frozenset(_settings(space, identity)) for identity in identities]
    ran = {s for settings, r in zip(of_runs, runs, strict=True) if r.ok for s in settings}
    enough: set[Setting] = set()
    company: dict[Setting, set[frozenset[Setting]]] = {}
    lines: dict[Setting, str] = {}
    for recorded, settings in zip(runs, of_runs, strict=True):
        blamed = settings - ran
        if recorded.ok or recorded.outcome == Outcome.ENVIRONMENT_ERROR or len(blamed) != 1:
            continue
        (setting,) = blamed
        result = recorded.run.result
        company.setdefault(setting, set()).add(settings)
        lines[setting] = f"{result.outcome.value}: {result.message}"
        if recorded.outcome == Outcome.UNSUPPORTED or len(company[setting]) >= FAILURES:
            enough.add(setting)
    return {s: line for s, line in lines.items() if s in enough and s[0] != BATCH_SIZE}


def _settings(space: SearchSpace, configuration: Configuration) -> Iterator[Setting]:
    """What differs from the baseline, the batch size included."""
    yield from space.changed(configuration).items()
    size = configuration.get(BATCH_SIZE)
    if size is not None and size != space.default_batch():
        yield BATCH_SIZE, size
