"""Adding rows up by what they belong to, one after the other, so that sums do not depend on how rows are cut."""

from __future__ import annotations

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def add_up(key: Ints, place: Ints, rows: Floats, sums: Floats) -> None:
    """Add rows to sums, in their order.

    Parameters
    ----------
    key : int64 (R,)
        Sum that each row is added to.
    place : int64 (R,)
        Which row it is.
    rows : float64 (I, D)
        The rows.
    sums : float64 (K, D)
        Grow by the rows.
    """
    for r in range(key.shape[0]):
        for d in range(sums.shape[1]):
            sums[key[r], d] += rows[place[r], d]
