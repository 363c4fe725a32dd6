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
def _ahead(
    t: int, level: Floats, day: Floats, week: Floats, carry: Floats, phi: Floats, low: float, high: float, out: Floats
) -> None:
    """Fill ``out`` (K, H) with the forecasts of all cells from the states before column ``t``."""
    m1, m2 = day.shape[0], week.shape[0]
    for c in range(out.shape[0]):
        p1, p2 = t % m1, t % m2
        rest = carry[c]
        for h in range(out.shape[1]):
            rest *= phi[c]
            out[c, h] = level[c] + day[p1, c] + week[p2, c] + rest
            p1 = p1 + 1 if p1 + 1 < m1 else 0
            p2 = p2 + 1 if p2 + 1 < m2 else 0
        if not (np.isnan(low) or np.isnan(level[c])):
            # The exponential is kept from overflowing.
            for h in range(out.shape[1]):
                grown = np.exp(min(max(out[c, h], -700.0), 700.0))
                out[c, h] = low + ((high - low) * (grown / (1.0 + grown)) if high < np.inf else grown)


@njit(cache=True, nogil=True)
def double_seasonal(
    values: Floats,
    first: Ints,
    back: Ints,
    m1: int,
    m2: int,
    cells: Floats,
    low: Floats,
    high: Floats,
    start: int,
    out: Floats,
) -> None:
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
    low, high : float64 (S,)
        Where ``low`` is a number, values are logarithms above it, or logits between both where ``high`` is
        finite, and forecasts are mapped back; NaN where values are levels as they are.
    start : int
        Place of the first cell in ``out``.
    out : float64 (S, O, M, H)
        Receives the forecasts at ``start:start + K``; NaN where the history is shorter than the initialisation.

    Notes
    -----
    J. W. Taylor (2003), Short-term electricity demand forecasting using double seasonal exponential
    smoothing, J. Oper. Res. Soc. 54, eq. 6-9, here with additive seasons. O(S K (T + O H)).
    """
    columns = values.shape[1]
    count = cells.shape[1]
    stop = start + count
    alpha, gamma1, gamma2, phi = cells[0].copy(), cells[1].copy(), cells[2].copy(), cells[3].copy()
    level, before = np.empty(count), np.empty(count)
    day, week = np.empty((m1, count)), np.empty((m2, count))
    for s in range(values.shape[0]):
        out[s, :, start:stop, :] = np.nan
        y = values[s]
        length = columns - first[s]
        span = _span(length, m1, m2)
        if length < span or np.isnan(y[first[s]]):
            continue
        _start(y, first[s], span, m1, m2, level, day, week)
        weekly = 1.0 if m2 > 1 and span >= m2 else 0.0
        gain2 = gamma2 * weekly
        before[:] = 0.0
        oldest = 0
        for o in range(back.shape[1]):
            oldest = max(oldest, back[s, o])
        p1, p2 = first[s] % m1, first[s] % m2
        for t in range(first[s], columns + 1):
            if t >= columns - oldest and t >= first[s] + span:
                for o in range(back.shape[1]):
                    if back[s, o] >= 0 and t == columns - back[s, o]:
                        _ahead(t, level, day, week, before, phi, low[s], high[s], out[s, o, start:stop])
            if t == columns:
                break
            now = y[t]
            d = day[p1]
            w = week[p2]
            for c in range(count):
                rest = now - (level[c] + d[c] + w[c])
                error = rest - phi[c] * before[c]
                level[c] += alpha[c] * error
                d[c] += gamma1[c] * error
                w[c] += gain2[c] * error
                before[c] = rest
            p1 = p1 + 1 if p1 + 1 < m1 else 0
            p2 = p2 + 1 if p2 + 1 < m2 else 0


@njit(cache=True, nogil=True)
def known_sizes(values: Floats, first: Ints, back: Ints, mean: Floats, least: Floats) -> None:
    """Measure what the oldest origin of each series knew.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, gaps filled, NaN before ``first``.
    first : int64 (S,)
        First known column of each series.
    back : int64 (S, O)
        Unknown columns at the right per origin, -1 for none.
    mean : float64 (S,)
        Receives the mean absolute level; 0 where nothing is known.
    least : float64 (S,)
        Receives the lowest level; inf where nothing is known.
    """
    for s in range(values.shape[0]):
        total, count = 0.0, 0
        least[s] = np.inf
        for t in range(first[s], values.shape[1] - max(np.max(back[s]), 0)):
            total += abs(values[s, t])
            least[s] = min(least[s], values[s, t])
            count += 1
        mean[s] = total / count if count > 0 else 0.0
