"""Forecasts that repeat the past: the seasonal naive pool."""

from __future__ import annotations

import numpy as np
from numba import njit

from capforecast.panel import Floats, Ints


@njit(cache=True, nogil=True)
def _mean(y: Floats, start: int, stop: int) -> float:
    """Return the mean of ``y[start:stop]``; equal values give that value exactly."""
    total = 0.0
    for t in range(start + 1, stop):
        total += y[t] - y[start]
    return float(y[start] + total / (stop - start))


@njit(cache=True, nogil=True)
def _one(y: Floats, first: int, known: int, m1: int, m2: int, out: Floats) -> None:
    """Fill ``out`` (13, H) for one series and origin; ``known`` is the number of known columns."""
    horizon = out.shape[1]
    length = known - first
    out[:, :] = np.nan
    if length < 1:
        return
    out[0, :] = y[known - 1]
    if length >= m1:
        level = _mean(y, known - m1, known)
        out[1, :] = level
        for h in range(horizon):
            out[2, h] = y[known - m1 + h % m1]
    for count, member in ((5, 3), (10, 4)):
        if length >= count * m1:
            for h in range(horizon):
                total = 0.0
                for j in range(count):
                    total += y[known - (j + 1) * m1 + h % m1]
                out[member, h] = total / count
    if length >= 7 * m1:
        same = np.empty(7)
        middle = np.empty(m1)
        for p in range(m1):
            for j in range(7):
                same[j] = y[known - (j + 1) * m1 + p]
            middle[p] = np.median(same)
        for h in range(horizon):
            out[5, h] = middle[h % m1]
    if m2 > 1 and length >= m2 + m1:
        now = _mean(y, known - m1, known)
        then = _mean(y, known - m2 - m1, known - m2)
        ratio = 1.0
        if now > 0.0 and then > 0.0:
            ratio = min(max(now / then, 0.2), 5.0)
        for h in range(horizon):
            week = y[known - m2 + h % m2]
            out[6, h] = week
            out[7, h] = 0.5 * (week + y[known - m1 + h % m1])
            out[8, h] = week + (now - then)
            out[9, h] = week * ratio
        out[10, :] = np.median(y[known - m2 : known])
    if length >= 3 * m1:
        far = min(length // m1 - 1, 7)
        gain = (_mean(y, known - m1, known) - _mean(y, known - (far + 1) * m1, known - far * m1)) / far
        for h in range(horizon):
            out[11, h] = y[known - m1 + h % m1] + gain * (h // m1 + 1)
    if m2 > 1 and length >= 2 * m2:
        gain = _mean(y, known - m2, known) - _mean(y, known - 2 * m2, known - m2)
        for h in range(horizon):
            out[12, h] = y[known - m2 + h % m2] + gain * (h // m2 + 1)


@njit(cache=True, nogil=True)
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
        Receives at ``start:start + 13``, in order: last value; mean of the last season; last season;
        mean of the same phase over 5 and over 10 seasons; median of it over 7; last long season; mean of last season and
        last long season; last long season shifted, and scaled, by the change of the mean of the last
        season against one long season earlier; median of the last long season; last season growing by
        the mean gain per season over the last two to seven; last long season growing by the gain over the one
        before. NaN where the history is too short.

    Notes
    -----
    O(S O H). The long-season members keep level and shape apart, as in the seasonal naive variants
    of the M4 benchmark comb.
    """
    length = values.shape[1]
    for s in range(values.shape[0]):
        for o in range(back.shape[1]):
            if back[s, o] < 0:
                out[s, o, start : start + 13, :] = np.nan
            else:
                _one(values[s], first[s], length - back[s, o], m1, m2, out[s, o, start : start + 13])
