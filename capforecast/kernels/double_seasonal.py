"""Exponential smoothing with two additive seasons and an autoregressive residual, on a grid of parameters."""

from __future__ import annotations

import numpy as np
from numba import njit

from capforecast.panel import Floats, Ints


@njit(cache=True, nogil=True)
def _start(y: Floats, first: int, span: int, m1: int, m2: int, level: Floats, day: Floats, week: Floats) -> None:
    """Set the states of all cells from the first ``span`` values by plain averages."""
    mean = 0.0
    for t in range(first, first + span):
        mean += y[t]
    mean /= span
    sums = np.zeros(m1)
    counts = np.zeros(m1)
    for t in range(first, first + span):
        sums[t % m1] += y[t] - mean
        counts[t % m1] += 1.0
    level[:] = mean
    for p in range(m1):
        day[p, :] = sums[p] / max(counts[p], 1.0)
    week[:, :] = 0.0
    if m2 > 1 and span >= m2:
        sums2 = np.zeros(m2)
        counts2 = np.zeros(m2)
        for t in range(first, first + span):
            sums2[t % m2] += y[t] - mean - day[t % m1, 0]
            counts2[t % m2] += 1.0
        for p in range(m2):
            week[p, :] = sums2[p] / max(counts2[p], 1.0)


@njit(cache=True, nogil=True)
def _span(length: int, m1: int, m2: int) -> int:
    """Return how many first values initialise the states of a series of ``length`` values."""
    if m2 > 1 and length >= 4 * m2:
        return 2 * m2
    if m2 > 1 and length >= 2 * m2 + m1:
        return m2
    return 2 * m1


@njit(cache=True, nogil=True)
def double_seasonal(values: Floats, first: Ints, back: Ints, m1: int, m2: int, cells: Floats, out: Floats) -> None:
    """Forecast with every cell of a parameter grid in one pass per series.

    With level l, seasons d and w and residual r, for each value y in turn::

        base = l + d + w;  r = y - base;  e = r - phi r_before
        l += alpha e;  d += gamma1 e;  w += gamma2 e
        forecast k steps ahead: l + d + w + phi**k r

    Parameters
    ----------
    values : float64 (S, T)
        Levels on the scale of the model, gaps filled, NaN before ``first``.
    first : int64 (S,)
        First known column of each series.
    back : int64 (S, O)
        Unknown columns at the right per origin, -1 for none.
    m1, m2 : int
        Season lengths in steps; m2 = 1 when there is one season only.
    cells : float64 (4, K)
        alpha, gamma1, gamma2, phi of each cell.
    out : float64 (S, O, K, H)
        Receives the forecasts; NaN where the history is shorter than the initialisation.

    Notes
    -----
    J. W. Taylor (2003), Short-term electricity demand forecasting using double seasonal exponential
    smoothing, J. Oper. Res. Soc. 54, eq. 6-9, here with additive seasons. O(S K (T + O H)).
    """
    columns = values.shape[1]
    count = cells.shape[1]
    horizon = out.shape[3]
    alpha, gamma1, gamma2, phi = cells[0].copy(), cells[1].copy(), cells[2].copy(), cells[3].copy()
    level, before = np.empty(count), np.empty(count)
    day, week = np.empty((m1, count)), np.empty((m2, count))
    out[:, :, :, :] = np.nan
    for s in range(values.shape[0]):
        y = values[s]
        length = columns - first[s]
        span = _span(length, m1, m2)
        if length < span:
            continue
        _start(y, first[s], span, m1, m2, level, day, week)
        weekly = 1.0 if m2 > 1 and span >= m2 else 0.0
        gain2 = gamma2 * weekly
        before[:] = 0.0
        oldest = 0
        for o in range(back.shape[1]):
            oldest = max(oldest, back[s, o])
        for t in range(first[s], columns + 1):
            if t >= columns - oldest and t >= first[s] + span:
                for o in range(back.shape[1]):
                    if back[s, o] >= 0 and t == columns - back[s, o]:
                        for c in range(count):
                            carry = before[c]
                            for h in range(horizon):
                                carry *= phi[c]
                                out[s, o, c, h] = level[c] + day[(t + h) % m1, c] + week[(t + h) % m2, c] + carry
            if t == columns:
                break
            now = y[t]
            d = day[t % m1]
            w = week[t % m2]
            for c in range(count):
                rest = now - (level[c] + d[c] + w[c])
                error = rest - phi[c] * before[c]
                level[c] += alpha[c] * error
                d[c] += gamma1[c] * error
                w[c] += gain2[c] * error
                before[c] = rest


@njit(cache=True, nogil=True)
def mean_size(values: Floats, first: Ints, back: Ints, out: Floats) -> None:
    """Measure the mean absolute level that the oldest origin of each series knew.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, gaps filled, NaN before ``first``.
    first : int64 (S,)
        First known column of each series.
    back : int64 (S, O)
        Unknown columns at the right per origin, -1 for none.
    out : float64 (S,)
        Receives the means; 0 where nothing is known.
    """
    for s in range(values.shape[0]):
        total, count = 0.0, 0
        for t in range(first[s], values.shape[1] - max(np.max(back[s]), 0)):
            total += abs(values[s, t])
            count += 1
        out[s] = total / count if count > 0 else 0.0
