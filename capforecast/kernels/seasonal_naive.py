"""Forecasts that repeat the past: the seasonal naive pool."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def _mean(y: Floats, start: int, stop: int) -> float:
    """Return the mean of ``y[start:stop]``; equal values give that value exactly."""
    total = 0.0
    for t in range(start + 1, stop):
        total += y[t] - y[start]
    return float(y[start] + total / (stop - start))


@kernel()
def _one(y: Floats, first: int, known: int, m1: int, m2: int, apart: int, out: Floats) -> None:
    """Fill ``out`` (5, H) for one series and origin; ``known`` is the number of known columns."""
    horizon = out.shape[1]
    length = known - first
    out[:, :] = np.nan
    if length < 1:
        return
    out[0, :] = y[known - 1]
    if length >= m1:
        out[1, :] = _mean(y, known - m1, known)
        p = 0
        for h in range(horizon):
            out[2, h] = y[known - m1 + p]
            p = p + 1 if p + 1 < m1 else 0
    if length >= 3 * m1:
        far = min(length // m1 - 1, 7)
        gain = (_mean(y, known - m1, known) - _mean(y, known - (far + 1) * m1, known - far * m1)) / far
        for h in range(horizon):
            out[3, h] = out[2, h] + gain * (h // m1 + 1)
    if m2 > 1 and length >= m2:
        out[4, :] = np.median(y[known - m2 : known : apart])


@kernel()
def seasonal_naive(values: Floats, first: Ints, back: Ints, m1: int, m2: int, start: int, out: Floats) -> None:
    """Forecast by repeating the past.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, gaps filled, NaN before ``first``.
    first : int64 (S,)
        First known column of each series.
    back : int64 (S, O)
        Unknown columns at the right per origin, -1 for none.
    m1, m2 : int
        Season lengths in steps; m2 = 1 when there is one season only.
    start : int
        Place of the first member in ``out``.
    out : float64 (S, O, K, H)
        Receives at ``start:start + 5``, in order: last value; mean of the last season; last season; last
        season growing by the mean gain per season over the last two to seven; median of about 32 values of
        the last long season. NaN where the history is too short.

    Notes
    -----
    O(S O H).
    """
    length = values.shape[1]
    # About 32 values tell what is usual; a distance that shares no divisor with a day or a week meets all hours.
    apart = max(m2 // 32, 1)
    while apart % 2 == 0 or apart % 3 == 0 or apart % 7 == 0:
        apart += 1
    for s in range(values.shape[0]):
        for o in range(back.shape[1]):
            if back[s, o] < 0:
                out[s, o, start : start + 5, :] = np.nan
            else:
                _one(values[s], first[s], length - back[s, o], m1, m2, apart, out[s, o, start : start + 5])
