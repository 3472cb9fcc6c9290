"""Nested values are looked at whole, and rebuilt only of what Python and torch define."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, NamedTuple

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from tuner.worker.tree import leaves, map_tensors, tensors_of
from tuner.worker.workload import split_example


class Pair(NamedTuple):
    first: Any
    second: Any


@dataclasses.dataclass(frozen=True)
class Record:
    logits: Any
    hidden: Any


class Tokens(collections.UserDict[str, Any]):
    """Like a tokenizer's result."""


class Checked(list[Any]):
    """A list that does not like to be made anew."""

    def __init__(self, *, width: int) -> None:
        super().__init__([torch.zeros(width)])


ONE, TWO = torch.ones(1), torch.full((2,), 2.0)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ((ONE, [TWO, 3]), ["[0]", "[1][0]", "[1][1]"]),
        ({"b": ONE, "a": {"c": 1.5}}, ["['b']", "['a']['c']"]),
        (Tokens(ids=ONE), ["['ids']"]),
        (Pair(ONE, Record(TWO, (ONE,))), [".first", ".second.logits", ".second.hidden[0]"]),
        (pack_sequence([torch.zeros(3, 2), torch.zeros(1, 2)]), [".data", ".batch_sizes"]),
        (torch.ones(2).numpy(), [""]),
        (Checked(width=2), ["[0]"]),
        (object(), []),
        (Record, []),
        ("text", []),
    ],
)
def test_everything_that_can_be_compared_is_found_with_its_place(
    value: Any, places: list[str]
) -> None:
    assert [name for name, _ in leaves(value)] == places


@pytest.mark.parametrize(
    "value",
    [
        (ONE, [TWO]),
        {"a": ONE, "b": 5},
        Tokens(ids=ONE),
        Pair(ONE, None),
        Record(ONE, {"x": TWO}),
        collections.OrderedDict(a=ONE),
    ],
)
def test_what_is_rebuilt_is_of_its_own_kind_and_the_original_stays(value: Any) -> None:
    doubled = map_tensors(value, lambda tensor: 2 * tensor)
    assert type(doubled) is type(value)
    pairs = zip(tensors_of(doubled), tensors_of(value), strict=True)
    assert all(torch.equal(new, 2 * old) for new, old in pairs)
    assert tensors_of(value)[0] is ONE


def test_a_packed_sequence_keeps_its_batch_sizes() -> None:
    packed = pack_sequence([torch.ones(3, 2), torch.ones(1, 2)])
    doubled = map_tensors(packed, lambda tensor: 2 * tensor)
    assert isinstance(doubled, PackedSequence)
    assert doubled.batch_sizes.tolist() == [2, 1, 1]
    assert doubled.data.unique().tolist() == [2.0]


def test_an_unknown_type_stays_whole() -> None:
    value = Checked(width=2)
    assert map_tensors([value], lambda tensor: tensor + 1)[0] is value


def test_a_mapping_of_inputs_is_keyword_arguments_and_a_named_tuple_one_argument() -> None:
    assert split_example(Tokens(ids=ONE)) == ((), {"ids": ONE})
    pair = Pair(ONE, TWO)
    assert split_example(pair) == ((pair,), {})
