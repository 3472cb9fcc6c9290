"""A search space: knobs, presets and rules between knobs."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ..errors import UsageError
from ..language import Message, message, with_translation
from ..policy import BATCH_SIZE, WARMUP
from ..worker.protocol import UNSET, KnobSetting

Value = str | int | float | bool
Configuration = dict[str, Value]

EXCLUSION_CHECK_LIMIT = 100_000


@dataclass(frozen=True)
class Knob:
    """One thing that may be set.

    apply: environment, process, input, model or measurement. handler: module of worker/knobs.
    variables: value -> the environment variables that carry it. files: value of an engine -> what
    the file that it loads ends in.
    """

    name: str
    why: str
    apply: str
    default: Value
    domain: tuple[Value, ...]
    handler: str = ""
    variables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    changes_numbers: str = "no"
    pinned: Value | None = None
    why_zh: str = ""  # for readers of Chinese; the English line where it is empty
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def searched(self) -> tuple[Value, ...]:
        """The values that the search may take."""
        return self.domain if self.pinned is None else (self.pinned,)

    def setting(self, value: Value) -> KnobSetting:
        """What the worker is told about this knob."""
        variables = dict(self.variables.get(str(value), {}))
        return KnobSetting(self.name, value, self.apply, self.handler, variables)


@dataclass(frozen=True)
class Rule:
    """Where all of `when` hold, all of `require` must hold; a knob maps to its allowed values."""

    when: Mapping[str, tuple[Value, ...]]
    require: Mapping[str, tuple[Value, ...]]
    why: str
    why_zh: str = ""  # as in a knob

    @property
    def reason(self) -> Message:
        """Why, with the translation that the file has."""
        return with_translation(self.why, self.why_zh)

    def broken_by(self, configuration: Configuration) -> bool:
        """Does the configuration break this rule?"""
        holds = all(configuration[name] in values for name, values in self.when.items())
        return holds and any(
            configuration[name] not in values for name, values in self.require.items()
        )

    def for_named_values(self) -> Rule:
        """The rule without what it requires to be left alone."""
        require = {name: values for name, values in self.require.items() if values != (UNSET,)}
        return replace(self, require=require)


@dataclass(frozen=True)
class LeftOut:
    """Values of a knob that are not to be had here, and the presets that go with them.

    Without values the presets go for `why` alone; without either, `why` says all of it.
    """

    why: Message
    knob: str = ""
    values: tuple[Value, ...] = ()
    presets: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchSpace:
    """Knobs with their domains, presets and rules.

    left_out: what of the file is not here. refuses: why a configuration is not to be had although
    it keeps the rules, "" where it is; a replay has one, and it is never stored.
    """

    name: str
    backend: str
    knobs: tuple[Knob, ...]
    presets: Mapping[str, Configuration]
    rules: tuple[Rule, ...]
    left_out: tuple[LeftOut, ...] = ()
    refuses: Callable[[Configuration], str] | None = field(default=None, compare=False)

    def knob(self, name: str) -> Knob | None:
        """The knob of this name."""
        return next((knob for knob in self.knobs if knob.name == name), None)

    def baseline(self, batch_size: int | None = None) -> Configuration:
        """Every knob at its default, at another batch size where one is given."""
        configuration = {knob.name: knob.default for knob in self.knobs}
        if batch_size is not None and BATCH_SIZE in configuration:
            configuration[BATCH_SIZE] = batch_size
        return configuration

    def is_baseline(self, configuration: Configuration) -> bool:
        """Is every knob but batch size and warm-up at its default?"""
        return not self.changed(configuration)

    def changed(self, configuration: Configuration) -> Configuration:
        """The knobs that differ from the baseline's, batch size and warm-up aside."""
        return {
            knob.name: configuration[knob.name]
            for knob in self.knobs
            if knob.name not in (WARMUP, BATCH_SIZE) and configuration[knob.name] != knob.default
        }

    def default_batch(self) -> int | None:
        """The default batch size, or None where the space has no such knob."""
        knob = self.knob(BATCH_SIZE)
        return int(knob.default) if knob else None

    def other_batches(self) -> list[int]:
        """The batch sizes of the domain other than the default."""
        knob = self.knob(BATCH_SIZE)
        return [int(value) for value in knob.domain if value != knob.default] if knob else []

    def pins(self) -> Configuration:
        """The knobs that the user has fixed for the search; the baseline stays as it is."""
        return {knob.name: knob.pinned for knob in self.knobs if knob.pinned is not None}

    def preset(self, name: str) -> Configuration:
        """A preset as a full configuration: its values, then pins, then defaults."""
        return {**self.baseline(), **self.pins(), **self.presets[name]}

    def broken_rule(self, configuration: Configuration) -> Rule | None:
        """The first rule that forbids this configuration."""
        broken = next((rule for rule in self.rules if rule.broken_by(configuration)), None)
        why = self.refuses(configuration) if self.refuses else ""
        return broken or (Rule({}, {}, why) if why else None)

    def broken_once_resolved(
        self, configuration: Configuration, resolved: Configuration
    ) -> Rule | None:
        """The first rule that forbids it with unset knobs at what they turned out to be.

        `require: {knob: unset}` alone asks to leave the knob alone, whatever it turned out to be. A
        rule that the baseline itself breaks does not hold here: it ran.
        """
        named = {n: resolved.get(n, v) if v == UNSET else v for n, v in configuration.items()}
        ran = {**self.baseline(), **resolved}
        rules = [rule.for_named_values() for rule in self.rules]
        return next((r for r in rules if r.broken_by(named) and not r.broken_by(ran)), None)

    def configurations(self, batch_size: int | None) -> Iterator[Configuration]:
        """Every allowed configuration, warm-up at its default; all batch sizes for None."""
        names = [knob.name for knob in self.knobs]
        domains = [self._enumerated(knob, batch_size) for knob in self.knobs]
        for values in itertools.product(*domains):
            configuration = dict(zip(names, values, strict=True))
            if not self.broken_rule(configuration):
                yield configuration

    def _enumerated(self, knob: Knob, batch_size: int | None) -> tuple[Value, ...]:
        if knob.name == WARMUP:
            return (knob.default,)
        if knob.name == BATCH_SIZE and batch_size is not None:
            return (batch_size,)
        return knob.searched

    def shuffled(self, batch_size: int | None, limit: int, seed: int) -> list[Configuration] | None:
        """All configurations but the baseline, shuffled; None where they exceed `limit`."""
        configurations = [
            configuration
            for configuration in itertools.islice(self.configurations(batch_size), limit + 2)
            if not self.is_baseline(configuration)
            or configuration.get(BATCH_SIZE) != self.default_batch()
        ]
        if len(configurations) > limit:
            return None
        rng = random.Random(seed)
        rng.shuffle(configurations)
        warmup = self.knob(WARMUP)
        if warmup:
            configurations = [{**c, WARMUP: rng.choice(warmup.domain)} for c in configurations]
        return configurations

    def settings(self, configuration: Configuration) -> list[KnobSetting]:
        """Every knob with its value, in the order of the file, unset ones included."""
        return [knob.setting(configuration[knob.name]) for knob in self.knobs]

    def validated(self) -> SearchSpace:
        """Itself. Raises UsageError where its rules forbid the baseline, or everything else."""
        broken = self.broken_rule(self.baseline())
        if broken:
            raise UsageError(
                f"search space {self.name}: a rule forbids the baseline itself ({broken.why}): "
                "a rule must allow every knob at its default"
            )
        configurations = itertools.islice(self.configurations(None), EXCLUSION_CHECK_LIMIT)
        knobs = [knob for knob in self.knobs if knob.name not in (WARMUP, BATCH_SIZE)]
        has_choice = any(len(knob.domain) > 1 for knob in knobs)
        if has_choice and all(self.is_baseline(configuration) for configuration in configurations):
            whys = "; ".join(rule.why for rule in self.rules)
            raise UsageError(
                f"search space {self.name}: its rules exclude every configuration but the "
                f"baseline ({whys}): loosen a rule or add values"
            )
        return self


def to_dict(space: SearchSpace) -> dict[str, Any]:
    """Make JSON types of a space, to be frozen in the study."""
    frozen: dict[str, Any] = json.loads(json.dumps(asdict(replace(space, refuses=None))))
    del frozen["refuses"]
    return frozen


def from_dict(data: Mapping[str, Any]) -> SearchSpace:
    """Reverse `to_dict`."""
    knobs = [Knob(**{**knob, "domain": tuple(knob["domain"])}) for knob in data["knobs"]]
    rules = [
        Rule(
            when={name: tuple(values) for name, values in rule["when"].items()},
            require={name: tuple(values) for name, values in rule["require"].items()},
            why=rule["why"],
            why_zh=rule.get("why_zh", ""),
        )
        for rule in data["rules"]
    ]
    return SearchSpace(
        name=data["name"],
        backend=data["backend"],
        knobs=tuple(knobs),
        presets=data["presets"],
        rules=tuple(rules),
        left_out=tuple(_left_out(data)),
    )


def _left_out(data: Mapping[str, Any]) -> Iterator[LeftOut]:
    """Earlier versions kept sentences, and beside them `gone`: knob -> value as text -> why."""
    if data.get("gone"):
        for knob, whys in data["gone"].items():
            yield from (LeftOut(Message(why), knob, (value,)) for value, why in whys.items())
        return
    for entry in data["left_out"]:
        if isinstance(entry, str):
            yield LeftOut(Message(entry))
        else:
            lists = {"values": tuple(entry["values"]), "presets": tuple(entry["presets"])}
            yield LeftOut(message(entry["why"]), entry["knob"], **lists)
