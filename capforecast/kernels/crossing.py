"""When a level that was measured first crossed a threshold for long enough."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def first_crossings(
    values: Floats, owner: Ints, level: Floats, begin: int, per_day: int, k: int, n: int, out: Ints
) -> None:
    """Find the first step at which k of the newest n steps are at or beyond a threshold.

    Steps before `begin` count as the newest ones of a window, as they do for the paths of a forecast, and a
    step that is missing ends no window.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, high hurts; NaN where missing.
    owner : int64 (R,)
        Series of each threshold.
    level : float64 (R, D)
        Threshold in force on each day from `begin` on; the last one goes on.
    begin : int
        First step at which a crossing may be found.
    per_day : int
        Steps of a day.
    k, n : int
        A crossing is sustained when k of n consecutive steps are beyond the threshold.
    out : int64 (R,)
        Receives the step; -1 where there is none.
    """
    for r in range(owner.shape[0]):
        row = values[owner[r]]
        out[r] = -1
        for t in range(max(begin, 0), row.shape[0]):
            if np.isnan(row[t]):
                continue
            limit = level[r, min((t - begin) // per_day, level.shape[1] - 1)]
            over = 0
            for u in range(max(t - n + 1, 0), t + 1):
                if row[u] >= limit:
                    over += 1
            if over >= k:
                out[r] = t
                break
