"""What shards find, brought into the order of names with bounded memory.

Shards read series by their number in the store, where series follow each other as they were first seen;
tables are in the order of names. Mostly the two agree: new hosts come to a store that is in order. So the
longest rising run of series is worked on last and passed on as it comes, and those outside of it, the
strays, are worked on first and wait in a scratch file for their turn.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import BinaryIO

import numpy as np

from capforecast.panel import Floats, Ints
from capforecast.scores import SCORE, Records

PIECE = 4096
"""Items that are passed on at a time."""

Emit = Callable[[int, Floats, Records], None]


def longest_rising(places: Ints) -> np.ndarray:
    """Return which of some distinct numbers form a longest rising subsequence."""
    if (places[1:] > places[:-1]).all():
        return np.ones(places.size, bool)
    ends: list[int] = []
    lengths = np.empty(places.size, np.int64)
    for i, place in enumerate(places.tolist()):
        at = bisect_left(ends, place)
        ends[at : at + 1] = [place]
        lengths[i] = at
    chosen = np.zeros(places.size, bool)
    wanted, bound = len(ends) - 1, np.inf
    for i in range(places.size - 1, -1, -1):
        if lengths[i] == wanted and places[i] < bound:
            chosen[i], bound, wanted = True, places[i], wanted - 1
    return chosen


class InOrder:
    """Daily levels and scores of items, taken in shard by shard and passed on in the order of items.

    Parameters
    ----------
    waits : bool (I,)
        Which items are strays; `put` takes them first, in any order, and then all others, rising.
    width : int
        Columns of the daily levels.
    scratch : file
        Where the strays wait.
    emit : callable
        Called with the first item, the daily levels and the scores of up to `PIECE` items.
    """

    def __init__(self, waits: np.ndarray, width: int, scratch: BinaryIO, emit: Emit):
        self._waits, self._width, self._scratch, self._emit = waits, width, scratch, emit
        self._done = self._end = 0
        self._pending: list[tuple[Ints, Floats, Records]] = []
        self._where = np.full(waits.size, -1, np.int64)
        self._count = np.zeros(waits.size, np.int32)

    def put(self, items: Ints, daily: Floats, scores: Records) -> None:
        """Take in the items of a shard: daily levels float64 (I, W) and scores by item."""
        if items.size == 0:
            return
        if self._waits[items[0]]:
            self._keep(items, daily, scores)
            return
        self._pending.append((items, daily, scores))
        if int(items[-1]) + 1 - self._done >= PIECE:
            self._pass_on(int(items[-1]) + 1)

    def finish(self) -> None:
        """Pass on what still waits."""
        self._pass_on(self._waits.size)

    def _keep(self, items: Ints, daily: Floats, scores: Records) -> None:
        """Write strays to the scratch file, each with its daily levels and then its scores."""
        scores = scores[np.argsort(scores["item"], kind="stable")]
        order = np.argsort(items)
        first = np.searchsorted(scores["item"], items[order])
        last = np.searchsorted(scores["item"], items[order], side="right")
        for item, row, start, stop in zip(items[order], order, first, last, strict=True):
            self._where[item], self._count[item] = self._end, stop - start
            self._end += self._scratch.write(daily[row].tobytes()) + self._scratch.write(scores[start:stop].tobytes())

    def _fetch(self, item: int) -> tuple[Floats, Records]:
        self._scratch.seek(self._where[item])
        daily = self._scratch.read(8 * self._width)
        scores = self._scratch.read(SCORE.itemsize * int(self._count[item]))
        return np.frombuffer(daily), np.frombuffer(scores, SCORE)

    def _pass_on(self, end: int) -> None:
        """Pass on all items up to `end`: those that came in order, and the strays between them."""
        nothing = (np.empty(0, np.int64), np.empty((0, self._width)), np.empty(0, SCORE))
        items, daily, scores = (np.concatenate(parts) for parts in zip(nothing, *self._pending, strict=True))
        self._pending.clear()
        while self._done < end:
            start, stop = self._done, min(self._done + PIECE, end)
            low, high = np.searchsorted(items, (start, stop))
            levels = np.empty((stop - start, self._width))
            levels[items[low:high] - start] = daily[low:high]
            first, last = np.searchsorted(scores["item"], (start, stop))
            found = [scores[first:last]]
            for item in (start + np.flatnonzero(self._waits[start:stop])).tolist():
                levels[item - start], own = self._fetch(item)
                found.append(own)
            joined = np.concatenate(found)
            if len(found) > 1:
                joined = joined[np.argsort(joined["item"], kind="stable")]
            self._emit(start, levels, joined)
            self._done = stop
