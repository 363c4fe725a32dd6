"""Items come out in order, whatever order shards come in."""

from __future__ import annotations

from io import BytesIO
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from capforecast import inorder
from capforecast.inorder import InOrder, longest_rising
from capforecast.scores import SCORE


def longest(places: tuple[int, ...]) -> int:
    """Return the length of the longest rising subsequence, by looking at all of them."""
    for count in range(len(places), 0, -1):
        if any(list(some) == sorted(some) for some in combinations(places, count)):
            return count
    return 0


@given(st.permutations(range(8)), st.integers(0, 8))
def test_the_longest_rising_subsequence(order: list[int], count: int) -> None:
    """What is chosen rises, and nothing longer does."""
    places = np.array(order[:count], np.int64)
    chosen = places[longest_rising(places)]
    assert (np.diff(chosen) > 0).all()
    assert chosen.size == longest(tuple(order[:count]))


def test_a_store_in_order_has_no_strays() -> None:
    """All rise; of two halves that were swapped one waits."""
    assert longest_rising(np.arange(1000)).all()
    swapped = np.concatenate([np.arange(600, 1000), np.arange(600)])
    assert longest_rising(swapped).tolist() == [False] * 400 + [True] * 600


@given(order=st.permutations(range(30)), size=st.integers(1, 9), piece=st.integers(1, 40), seed=st.integers(0, 9))
def test_items_come_out_in_order(order: list[int], size: int, piece: int, seed: int) -> None:
    """Strays first, then the rest in shards of any size: each item comes once, with its own levels and scores."""
    rng = np.random.default_rng(seed)
    daily, counts = rng.random((30, 4)), rng.integers(0, 4, 30)
    scores = np.zeros(int(counts.sum()), SCORE)
    scores["item"] = np.repeat(np.arange(30), counts)
    scores["mae"] = rng.random(scores.size)
    places = np.array(order)
    steady = longest_rising(places)
    waits = np.zeros(30, bool)
    waits[places[~steady]] = True
    got: list[tuple[int, np.ndarray, np.ndarray]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inorder, "PIECE", piece)
        ordered = InOrder(waits, 4, BytesIO(), lambda start, levels, own: got.append((start, levels, own)))
        for some in (places[~steady], places[steady]):
            for at in range(0, some.size, size):
                items = some[at : at + size]
                own = scores[np.isin(scores["item"], items)]
                # A shard counts its items as it works on them.
                own = own[np.argsort(np.argsort(items)[np.searchsorted(np.sort(items), own["item"])], kind="stable")]
                ordered.put(items, daily[items], own)
        ordered.finish()

    assert [start for start, _, _ in got] == np.cumsum([0, *(len(levels) for _, levels, _ in got)])[:-1].tolist()
    np.testing.assert_array_equal(np.concatenate([levels for _, levels, _ in got]), daily)
    np.testing.assert_array_equal(np.concatenate([own for _, _, own in got]), scores)
