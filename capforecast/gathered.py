"""The series of a shard with their history, out of the store and what is expected of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.errors import DamagedError
from capforecast.expected import Expected, levels, ranges
from capforecast.history import History, Items
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.store import Store, no_rollups

HISTORY_DAYS = 800
"""How far back rollups are read."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """A shard: I items of some series, R thresholds.

    Attributes
    ----------
    places : int64 (I,)
        Place of each item among all.
    arrays : Items
        The items as a shard sees them.
    rows : int64 (R,)
        Place of each threshold among all.
    owner : int64 (R,)
        Item of each threshold, within the shard.
    level : float64 (R,)
        Level of each threshold, as of now.
    rollups : History
        History.
    samples : int64 (I,)
        Samples behind the rollups of each item's series.
    hidden : int64 (I,)
        Rollups of each item's series that do not count.
    changing : bool (I,)
        Do dated limits of the series change, or did they.
    damage : str
        Why there is no history though there should be: a data file is damaged; else empty.
    """

    places: Ints
    arrays: Items
    rows: Ints
    owner: Ints
    level: Floats
    rollups: History
    samples: Ints
    hidden: Ints
    changing: np.ndarray
    damage: str = ""


def gather(store: Store, expected: Expected, as_of_us: int, chosen: Ints) -> Gathered:
    """Return some series, given by their places, in the order of their numbers in the store."""
    first, watched = expected.first_item[chosen], expected.first_threshold[chosen]
    counts = expected.first_item[chosen + 1] - first
    items = ranges(first, counts)
    local = np.repeat(np.arange(chosen.size), counts)
    watching = expected.first_threshold[chosen + 1] - watched
    rows = ranges(watched, watching)
    # Where the items of each threshold's series begin, here and among all.
    begin, begin_all = (np.repeat(starts, watching) for starts in (np.cumsum(counts) - counts, first))
    sids, names, damage = expected.sid[chosen], sorted(set(expected.statistics(items))), ""
    try:
        read, hidden = expected.marks.read(store, sids, names, from_us=as_of_us - HISTORY_DAYS * DAY_US, to_us=as_of_us)
    except DamagedError as error:
        # What a part of the history would lead to is not told: these series have none.
        read, hidden, damage = no_rollups(sids.astype(np.int32), names), np.zeros(sids.size, np.int64), str(error)
    rollups = History(read.starts, read.bucket, read.values, store.step_us)
    return Gathered(
        places=items,
        arrays=expected.arrays(items, local),
        rows=rows,
        owner=begin + expected.item[rows] - begin_all,
        level=levels(expected.thresholds.get_column("threshold"))[rows],
        rollups=expected.dated.rebased(rollups, chosen),
        samples=read.samples[local],
        hidden=hidden[local],
        changing=expected.changing[chosen][local],
        damage=damage,
    )
