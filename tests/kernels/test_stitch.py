"""Putting pieces of rows behind each other: the rows of a series are those of its pieces, in their order."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from capforecast.kernels.stitch import stitch


@given(lengths=st.lists(st.lists(st.integers(0, 5), min_size=3, max_size=3), max_size=6))
def test_pieces_follow_each_other_series_by_series(lengths: list[list[int]]) -> None:
    """Whatever the lengths, as with lists that are appended to; nothing beyond the rows is written."""
    pieces = np.array(lengths, np.int64).reshape(-1, 3)
    starts = np.append(0, np.cumsum(pieces.sum(axis=0)))
    values = np.arange(starts[-1], dtype=np.float64)
    ends, first, want, rising = starts[:-1].copy(), 0, [[], [], []], [[], [], []]
    got, counted = np.full(starts[-1] + 1, -1.0), np.full(starts[-1] + 1, -1)
    for piece in pieces:
        rows = values[first : first + piece.sum()].copy()
        rows.flags.writeable = False
        stitch(piece, rows, ends, got)
        counts = np.arange(first, first + piece.sum())
        counts.flags.writeable = False
        stitch(piece, counts, ends, counted)
        ends += piece
        for s, length in enumerate(piece.tolist()):
            want[s] += values[first : first + length].tolist()
            rising[s] += range(first, first + length)
            first += length
    assert got.tolist() == [*want[0], *want[1], *want[2], -1.0]
    assert counted.tolist() == [*rising[0], *rising[1], *rising[2], -1]
