"""Who follows whom in the rounds of a heat."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tuner.runs.order import order


@pytest.mark.parametrize("count", range(3, 10))
def test_each_follows_each_other_equally_often_and_nobody_himself(count: int) -> None:
    rounds = count if count % 2 == 0 else 2 * count
    orders = [order(count, turn) for turn in range(rounds)]
    assert all(sorted(places) == list(range(count)) for places in orders)
    followers = Counter(pair for places in orders for pair in pairwise(places))
    assert len(followers) == count * (count - 1)
    assert len(set(followers.values())) == 1
    again = [*orders, *orders]
    assert all(before[-1] != after[0] for before, after in pairwise(again))


def test_two_take_turns_about_and_one_is_always_first() -> None:
    assert [order(2, turn) for turn in range(4)] == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert [order(1, turn) for turn in range(2)] == [[0], [0]]
