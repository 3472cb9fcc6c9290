"""Options that come as text."""

from __future__ import annotations

import os

import pytest

from tuner import parse
from tuner.worker.protocol import InputSpec


def test_inputs_have_shape_and_dtype() -> None:
    assert parse.shape_and_dtype("1x3x8x8") == InputSpec([1, 3, 8, 8], "float32")
    assert parse.shape_and_dtype("4x128:int64") == InputSpec([4, 128], "int64")


@pytest.mark.parametrize(
    ("text", "count"),
    [("4GiB", 2**32), ("512m", 2**29), ("1.5k", 1536), ("1000", 1000), ("2 TB", 2**41)],
)
def test_sizes_are_bytes(text: str, count: int) -> None:
    assert parse.size_bytes(text) == count


def test_cpus_are_a_sorted_list_of_usable_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert parse.processors("6,0-2") == (0, 1, 2, 6)
    with pytest.raises(ValueError, match="usable on this host: 0,1,2,3,4,5,6,7"):
        parse.processors("9")
    with pytest.raises(ValueError, match="usable on this host"):
        parse.processors("0-99999999999")  # without counting up to there


@pytest.mark.parametrize("value", ["auto", "none", "0", 1])
def test_a_batch_dimension_is_auto_none_or_a_number(value: object) -> None:
    assert parse.batch_dim(value) == str(value)
    for wrong in ("-1", "x", "", 1.5, None):
        with pytest.raises(ValueError, match="reads auto, none, or the number"):
            parse.batch_dim(wrong)


def test_a_function_is_named_with_its_file_or_module() -> None:
    assert [parse.function(text) for text in ("m.py:same", "a.b:same", "")] == [
        "m.py:same",
        "a.b:same",
        "",
    ]
    for wrong in ("m.py", "same", ":same", "m.py:a b"):
        with pytest.raises(ValueError, match=r"reads FILE\.py:FUNCTION or PACKAGE"):
            parse.function(wrong)


def test_a_share_reads_as_a_percentage() -> None:
    assert (parse.share("2%"), parse.share("0.02")) == (0.02, 0.02)
    with pytest.raises(ValueError, match="reads like 2%"):
        parse.share("two")


def test_minutes_are_seconds() -> None:
    assert parse.minutes_s("0.5") == 30.0
    with pytest.raises(ValueError, match="minutes read like 30 or"):
        parse.minutes_s("soon")
