"""Who follows whom in the rounds of a heat."""

from __future__ import annotations


def order(count: int, turn: int) -> list[int]:
    """Who follows whom in a round: each each other equally often, and nobody himself.

    Williams' square: a zigzag, shifted from round to round; for an odd number of runs, in every
    other pass, from the last to the first (E. J. Williams, 1949). Two take A B, B A: there one does
    have two turns running.
    """
    zigzag = [
        place // 2 + 1 if place % 2 else (count - place // 2) % count for place in range(count)
    ]
    if count <= 2:
        return zigzag if turn % 2 == 0 else zigzag[::-1]
    passes, shift = divmod(turn, count)
    if count % 2 and passes % 2:
        return [(place + count - 2 - shift) % count for place in reversed(zigzag)]
    return [(place + shift) % count for place in zigzag]
