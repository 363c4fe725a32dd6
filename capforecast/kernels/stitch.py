"""Putting rows that come piece by piece behind the rows their series have already."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capforecast.compiler import kernel
from capforecast.panel import Ints


@kernel()
def stitch(lengths: Ints, rows: NDArray[np.generic], ends: Ints, out: NDArray[np.generic]) -> None:
    """Copy each series' rows of a piece to where its rows end so far.

    Parameters
    ----------
    lengths : int64 (S,)
        Rows of each series in the piece.
    rows : array (N,)
        The rows, one series after the other; N is the sum of `lengths`.
    ends : int64 (S,)
        Where in `out` the next row of each series goes; not changed, so that several columns can follow.
    out : array
        Receives the rows.
    """
    row = 0
    for s in range(lengths.shape[0]):
        length = lengths[s]
        out[ends[s] : ends[s] + length] = rows[row : row + length]
        row += length
