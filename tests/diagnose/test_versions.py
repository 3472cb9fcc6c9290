"""The order of CANN's versions, in both schemes."""

from __future__ import annotations

import random

import pytest

from tuner.diagnose.versions import at_least, key

CHRONOLOGY = [
    "7.0.RC1", "7.0.0", "8.0.RC1.alpha003", "8.0.RC1", "8.0.RC2", "8.0.RC2.2", "8.0.RC3",
    "8.0.0.alpha002", "8.0.0", "8.1.RC1", "8.2.RC1", "8.3.RC1", "8.3.RC2", "8.5.0-alpha",
    "8.5.0-beta", "8.5.0-beta.1", "8.5.0-rc.1", "8.5.0", "9.0.0", "9.1.0", "9.2.0",
]  # fmt: skip
DRIVERS = [
    "23.0.3",
    "24.1.RC3",
    "25.0.RC1",
    "25.0.RC1.1",
    "25.2.3",
    "25.5.0",
    "26.1.0.b083",
    "26.1.0",
]


@pytest.mark.parametrize("order", [CHRONOLOGY, DRIVERS])
def test_versions_are_ordered_by_release(order: list[str]) -> None:
    shuffled = random.Random(0).sample(order, len(order))
    assert sorted(shuffled, key=key) == order


def test_upper_and_lower_case_are_one() -> None:
    assert key("8.0.rc1") == key("8.0.RC1")


@pytest.mark.parametrize("text", ["", "8", "banana", "8.0.RC", "8.0.0.0.0.x"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no version of CANN"):
        key(text)


@pytest.mark.parametrize(
    ("have", "expected"), [("8.0.RC1", True), ("7.0.0", False), ("unknown", None)]
)
def test_a_need_is_met_or_not_or_not_known(have: str, expected: bool | None) -> None:
    assert at_least(have, "8.0.RC1") is expected
