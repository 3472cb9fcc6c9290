"""Pins, narrowing, default batch, enumeration, and freezing of a space."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tuner.errors import UsageError
from tuner.language import Message
from tuner.space import model, narrowing
from tuner.space.frozen import difference
from tuner.space.model import Knob, Rule, SearchSpace
from tuner.study.notes import of_left_out

NO_COMPILER = Message("there is no {library} on this host", {"library": "compiler"})
SPACE = SearchSpace(
    name="test",
    backend="cpu",
    knobs=(
        Knob("mode", "", "model", "unset", ("unset", "fast"), "execution"),
        Knob("spin", "", "environment", "unset", ("unset", "on"), "", {"on": {"SPIN": "1"}}),
        Knob("warmup", "", "measurement", 10, (5, 10)),
        Knob("batch_size", "", "input", 1, (1, 8)),
    ),
    presets={"fast": {"mode": "fast"}, "spin": {"spin": "on"}},
    rules=(Rule({"mode": ("fast",)}, {"spin": ("unset",)}, "no spinning when fast"),),
)


def test_a_pin_binds_the_search_and_not_the_baseline() -> None:
    pinned = narrowing.pin(SPACE, "mode", "fast")
    assert pinned.pins() == {"mode": "fast"}
    assert pinned.baseline()["mode"] == "unset"
    assert {c["mode"] for c in pinned.configurations(1)} == {"fast"}


def test_a_pinned_batch_size_is_the_baselines_too() -> None:
    pinned = narrowing.pin(SPACE, "batch_size", "3")
    assert pinned.baseline()["batch_size"] == 3
    assert pinned.other_batches() == []


def test_a_preset_that_contradicts_a_pin_is_left_out_with_a_line() -> None:
    pinned = narrowing.pin(SPACE, "mode", "unset")
    assert list(pinned.presets) == ["spin"]
    assert list(of_left_out(pinned)) == ["left out: preset fast: mode is set to unset"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("mood", "fast", "there is no knob 'mood'; knobs here: mode, spin, warmup, batch_size"),
        ("mode", "slow", "--set mode=slow: not a value of mode here; allowed: unset, fast"),
        ("batch_size", "0", "not a value of batch_size"),
    ],
)
def test_a_wrong_pin_says_what_is_allowed(name: str, value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        narrowing.pin(SPACE, name, value)


def test_a_narrowed_space_says_what_was_left_out() -> None:
    narrowed = narrowing.narrow(SPACE, "mode", ["fast"], NO_COMPILER)
    assert narrowed.knobs[0].domain == ("unset",)
    assert list(of_left_out(narrowed)) == [
        "left out: mode=fast: there is no compiler on this host",
        "left out: preset fast with it",
    ]


def test_another_default_batch_joins_the_domain() -> None:
    changed = narrowing.with_default_batch(SPACE, 4)
    assert changed.default_batch() == 4
    assert changed.other_batches() == [1, 8]


def test_a_model_without_a_batch_has_no_such_knob_and_the_reason_is_kept() -> None:
    presets: dict[str, model.Configuration] = {"both": {"mode": "fast", "batch_size": 8}}
    changed = narrowing.without_batch(replace(SPACE, presets=presets), "rows depend")
    assert [knob.name for knob in changed.knobs] == ["mode", "spin", "warmup"]
    assert changed.presets == {"both": {"mode": "fast"}}
    assert changed.default_batch() is None
    again = model.from_dict(model.to_dict(changed))
    assert list(of_left_out(again)) == ["left out: the batch size: rows depend"]
    assert narrowing.without_batch(changed, "again") is changed


def test_enumeration_keeps_the_rules_and_leaves_the_baseline_out() -> None:
    configurations = SPACE.shuffled(1, limit=10, seed=0)
    assert configurations is not None
    assert sorted((c["mode"], c["spin"]) for c in configurations) == [
        ("fast", "unset"),
        ("unset", "on"),
    ]
    assert SPACE.shuffled(1, limit=1, seed=0) is None


def test_the_baseline_at_another_batch_size_is_a_baseline() -> None:
    assert SPACE.is_baseline(SPACE.baseline(8))
    assert SPACE.is_baseline({**SPACE.baseline(), "warmup": 5})
    assert not SPACE.is_baseline({**SPACE.baseline(), "spin": "on"})


def test_a_setting_carries_the_variables_of_its_value() -> None:
    settings = {s.name: s for s in SPACE.settings({**SPACE.baseline(), "spin": "on"})}
    assert settings["spin"].variables == {"SPIN": "1"}
    assert settings["mode"].variables == {}


def test_a_frozen_space_thaws_to_the_same() -> None:
    frozen = model.to_dict(SPACE)
    assert model.from_dict(frozen) == SPACE
    assert difference(frozen, frozen) == ""


def test_what_was_left_out_thaws_to_the_same() -> None:
    narrowed = narrowing.pin(narrowing.narrow(SPACE, "spin", ["on"], NO_COMPILER), "mode", "unset")
    assert model.from_dict(model.to_dict(narrowed)) == narrowed


def test_a_translation_that_a_rule_has_got_since_is_no_change() -> None:
    frozen = model.to_dict(SPACE)
    del frozen["rules"][0]["why_zh"]
    translated = replace(SPACE, rules=(replace(SPACE.rules[0], why_zh="快则不旋"),))
    assert difference(frozen, model.to_dict(translated)) == ""


def test_sentences_of_an_earlier_version_are_told_as_they_are() -> None:
    frozen = {**model.to_dict(SPACE), "left_out": ["略去 mode=fast, 没有 {x}"]}
    thawed = model.from_dict(frozen)
    assert list(of_left_out(thawed)) == ["略去 mode=fast, 没有 {x}"]
    thawed = model.from_dict({**frozen, "gone": {"mode": {"fast": "没有 {x}"}}})
    assert list(of_left_out(thawed)) == ["left out: mode=fast: 没有 {x}"]
    assert narrowing.why_left_out(thawed, "mode", "fast") == Message("没有 {x}")


def test_a_changed_space_is_named_by_its_first_difference() -> None:
    frozen = model.to_dict(SPACE)
    now = model.to_dict(narrowing.narrow(SPACE, "mode", ["fast"], NO_COMPILER))
    assert difference(frozen, now) == ("mode.domain was ['unset', 'fast'], is now ['unset']")


def test_a_rule_holds_for_what_unset_turned_out_to_be() -> None:
    rule = Rule({"mode": ("fast",)}, {"spin": ("unset", "off")}, "no spinning when fast")
    space, fast = replace(SPACE, rules=(rule,)), {**SPACE.baseline(), "mode": "fast"}
    assert space.broken_rule(fast) is None
    assert space.broken_once_resolved(fast, {"spin": "off"}) is None
    broken = space.broken_once_resolved(fast, {"spin": "on"})
    assert broken is not None
    assert broken.why == "no spinning when fast"
    # The baseline itself was both fast and spinning, and ran: the rule does not hold here.
    assert space.broken_once_resolved(fast, {"mode": "fast", "spin": "on"}) is None


def test_a_knob_that_must_be_left_alone_may_turn_out_to_be_anything() -> None:
    fast = {**SPACE.baseline(), "mode": "fast"}
    assert SPACE.broken_once_resolved(fast, {"spin": "on"}) is None


def test_a_space_refuses_what_it_is_told_to_and_does_not_store_that() -> None:
    fast = {**SPACE.baseline(), "mode": "fast"}
    space = replace(SPACE, refuses=lambda asked: "not recorded" if asked == fast else "")
    broken = space.broken_rule(fast)
    assert broken is not None
    assert broken.why == "not recorded"
    assert space.broken_rule(SPACE.baseline()) is None
    assert model.to_dict(space) == model.to_dict(SPACE)


def test_what_a_later_version_has_added_to_its_own_space_is_no_difference() -> None:
    frozen, now = model.to_dict(SPACE), model.to_dict(SPACE)
    mode = next(knob for knob in now["knobs"] if knob["name"] == "mode")
    mode["domain"].append("newer")
    mode["files"] = {"newer": ".onnx"}
    now["knobs"].insert(0, {**mode, "name": "other"})
    now["presets"] = {**now["presets"], "newer": {"mode": "newer"}}
    now["rules"] = [*now["rules"], {"when": {"mode": ["newer"]}, "require": {}, "why": "so"}]
    assert difference(frozen, now, shipped=True) == ""
    assert difference(frozen, now).startswith("mode.domain was")
    mode["domain"].remove("fast")
    assert "mode.domain was" in difference(frozen, now, shipped=True)
