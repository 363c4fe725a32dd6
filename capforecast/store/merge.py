"""Merging the samples of one span: sort, find equal keys, let the larger value stay.

The rule for equal keys does not look at the order of arrival, so any order and any split of the same
rows over files and ingests leaves the same samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Merged:
    """Samples sorted by (rank, ts), each key once.

    Attributes
    ----------
    rank : int32 (N,)
        Place of the series in the order of the file.
    ts : int64 (N,)
        Microseconds since the epoch.
    value : float64 (N,)
        The largest value that was given for the key.
    fresh : bool (N,)
        The sample was not there before, or had another value.
    new : bool (N,)
        The sample was not there before.
    duplicate, conflict : int
        Input rows that added no sample; those of them whose value differs from the one that was
        there, or else from the one that stays.
    """

    rank: NDArray[np.int32]
    ts: Ints
    value: NDArray[np.float64]
    fresh: NDArray[np.bool_]
    new: NDArray[np.bool_]
    duplicate: int
    conflict: int


def merge(rank: NDArray[np.int32], ts: Ints, value: NDArray[np.float64], stored: NDArray[np.bool_]) -> Merged:
    """Merge input rows with stored ones.

    Parameters
    ----------
    rank, ts, value : int32, int64, float64 (N,)
        Rows in any order.
    stored : bool (N,)
        The row is in the store already; stored rows have distinct keys.
    """
    order, differs = _sorted(rank, ts)
    if order is not None:
        rank, ts, value, stored = rank[order], ts[order], value[order], stored[order]
    starts = np.flatnonzero(np.concatenate([[ts.size > 0], differs]))
    if starts.size == ts.size:
        return Merged(rank, ts, value, ~stored, ~stored, 0, 0)
    best = np.maximum.reduceat(value, starts)
    was = np.logical_or.reduceat(stored, starts)
    there = np.where(was, np.maximum.reduceat(np.where(stored, value, -np.inf), starts), best)
    sizes = np.diff(starts, append=ts.size)
    conflict = int(np.count_nonzero((value != np.repeat(there, sizes)) & ~stored))
    duplicate = int(np.count_nonzero(~stored)) - int(np.count_nonzero(~was))
    return Merged(rank[starts], ts[starts], best, ~was | (best != there), ~was, duplicate, conflict)


def _sorted(rank: NDArray[np.int32], ts: Ints) -> tuple[NDArray[np.int64] | None, NDArray[np.bool_]]:
    """Return the order that sorts, None when sorted, and where the sorted key differs from the one before."""
    if not ts.size:
        return None, np.empty(0, np.bool_)
    low = int(ts.min())
    width = int(ts.max()) - low + 1
    if (int(rank.max()) + 1) * width >= 1 << 62:
        order = np.lexsort((ts, rank))
        by_rank, by_ts = rank[order], ts[order]
        return order, (by_rank[1:] != by_rank[:-1]) | (by_ts[1:] != by_ts[:-1])
    key = rank.astype(np.int64) * width + (ts - low)
    if (key[1:] >= key[:-1]).all():
        return None, key[1:] != key[:-1]
    # Stored rows are one long run in order: a merge sort takes runs as they are, and is no slower without.
    order = np.argsort(key, kind="stable")
    key = key[order]
    return order, key[1:] != key[:-1]
