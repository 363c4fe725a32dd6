"""Straight and damped lines for levels that grow: storage, memory, traffic."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def _line(y: Floats, start: int, stop: int) -> tuple[float, float]:
    """Return the least-squares level at ``stop - 1`` and slope of ``y[start:stop]``."""
    n = stop - start
    middle = 0.5 * (n - 1)
    mean = 0.0
    for t in range(start, stop):
        mean += y[t]
    mean /= n
    cross, square = 0.0, 0.0
    for t in range(n):
        cross += (t - middle) * (y[start + t] - mean)
        square += (t - middle) * (t - middle)
    slope = cross / square if square > 0.0 else 0.0
    return mean + slope * middle, slope


@kernel()
def _suffix(y: Floats, first: int, known: int, shortest: int) -> int:
    """Return the start of the longest suffix whose line fits nearly as well as the best suffix does.

    Sums run backwards, so all suffixes cost one pass. Nearly: residual variance up to 1.5 times the least.
    """
    best = np.inf
    variances = np.full(known - first + 1, np.inf)
    s0, s1, s2, sy, sty, syy = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    anchor = y[known - 1]
    for j in range(known - first):
        t = -float(j)
        v = y[known - 1 - j] - anchor
        s0 += 1.0
        s1 += t
        s2 += t * t
        sy += v
        sty += t * v
        syy += v * v
        if j + 1 >= shortest:
            square = s2 - s1 * s1 / s0
            cross = sty - s1 * sy / s0
            total = syy - sy * sy / s0
            variances[j + 1] = max((total - cross * cross / square) / (s0 - 2.0), 0.0)
            best = min(best, variances[j + 1])
    chosen = known - first
    for n in range(known - first, shortest - 1, -1):
        if variances[n] <= 1.5 * best:
            chosen = n
            break
    return known - chosen


@kernel()
def _last_change(y: Floats, first: int, known: int, width: int) -> int:
    """Return the first index after the last lasting jump, or ``first`` when there is none."""
    n = known - first
    if n < 2 * width + 2:
        return first
    steps = np.empty(n - 1)
    for t in range(n - 1):
        steps[t] = abs(y[first + t + 1] - y[first + t])
    typical = np.median(steps)
    for t in range(known - width, first + width - 1, -1):
        jump = y[t] - y[t - 1]
        if abs(jump) > 8.0 * typical and abs(jump) > 0.0:
            shift = np.median(y[t : t + width]) - np.median(y[t - width : t])
            if shift * jump > 0.0 and abs(shift) > 0.6 * abs(jump):
                return t
    return first


@kernel()
def _median_slope(y: Floats, start: int, stop: int) -> float:
    """Return the median of all pairwise slopes (Theil-Sen)."""
    n = stop - start
    if n < 2:
        return 0.0
    slopes = np.empty(n * (n - 1) // 2)
    k = 0
    for i in range(n):
        for j in range(i + 1, n):
            slopes[k] = (y[start + j] - y[start + i]) / (j - i)
            k += 1
    return float(np.median(slopes))


@kernel()
def _holt(y: Floats, start: int, stop: int, alpha: float, beta: float, phi: float) -> tuple[float, float]:
    """Return level and slope of damped exponential smoothing over ``y[start:stop]``."""
    level, slope = y[start], 0.0
    lead = min(stop - start - 1, 7)
    if lead > 0:
        slope = (y[start + lead] - y[start]) / lead
    for t in range(start + 1, stop):
        ahead = level + phi * slope
        error = y[t] - ahead
        level = ahead + alpha * error
        slope = phi * slope + alpha * beta * error
    return level, slope


@kernel()
def _straight(out: Floats, level: float, slope: float, damping: float) -> None:
    total, weight = 0.0, 1.0
    for h in range(out.shape[0]):
        weight *= damping
        total += weight
        out[h] = level + slope * total


@kernel()
def _one(y: Floats, first: int, known: int, window: int, pairs: int, out: Floats) -> None:
    """Fill ``out`` (7, H) for one series and origin."""
    out[:, :] = np.nan
    start = max(first, known - window)
    n = known - start
    if n < 5:
        return
    last = y[known - 1]
    _straight(out[0], last, (last - y[start]) / (n - 1), 1.0)
    recent = max(start, known - 28)
    _straight(out[1], last, (last - y[recent]) / (known - 1 - recent), 1.0)
    suffix = _suffix(y, start, known, min(n, 7))
    level, slope = _line(y, suffix, known)
    _straight(out[2], level, slope, 1.0)
    _straight(out[3], last, slope, 0.98)
    change = _last_change(y, start, known, 4)
    _straight(out[4], last, 0.5 * _median_slope(y, max(change, known - pairs), known), 1.0)
    slope = _line(y, start, known)[1]
    _straight(out[5], _holt(y, start, known, 0.6, 0.0, 0.0)[0], 0.5 * slope, 1.0)
    level, slope = _holt(y, max(start, change), known, 0.6, 0.05, 0.9)
    _straight(out[6], level, slope, 0.9)


@kernel()
def trend(values: Floats, first: Ints, back: Ints, window: int, pairs: int, start: int, out: Floats) -> None:
    """Forecast along lines.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, gaps filled, NaN before ``first``.
    first : int64 (S,)
        First known column of each series.
    back : int64 (S, O)
        Unknown columns at the right per origin, -1 for none.
    window, pairs : int
        Most steps that a line looks back, and most steps of the pairwise slopes.
    start : int
        Place of the first member in ``out``.
    out : float64 (S, O, K, H)
        Receives at ``start:start + 7``, in order: drift of the window; drift of 28 steps; line of the
        longest well-fitting suffix, from the line and damped from the last value; half the median slope
        since the last change; theta forecast; damped trend. NaN below 5 known steps.

    Notes
    -----
    Suffix: Chamness, Capacity forecasting in a backup storage environment, LISA 2011. Median slope:
    Sen (1968). Theta: Assimakopoulos and Nikolopoulos (2000) as SES plus half the slope. Damped trend:
    Gardner and McKenzie (1985). O(S O (T + pairs**2)).
    """
    columns = values.shape[1]
    stop = start + 7
    for s in range(values.shape[0]):
        for o in range(back.shape[1]):
            if back[s, o] < 0:
                out[s, o, start:stop, :] = np.nan
            else:
                _one(values[s], first[s], columns - back[s, o], window, pairs, out[s, o, start:stop])


@kernel()
def slopes(values: Floats, first: Ints, window: int, pairs: int, slope: Floats, change: Ints) -> None:
    """Measure the growth of each series since its last lasting jump.

    Parameters
    ----------
    values, first, window, pairs
        As for `trend`.
    slope : float64 (S,)
        Receives the median pairwise slope per step; NaN below 2 steps.
    change : int64 (S,)
        Receives the column at which the last lasting jump happened; ``first`` when there was none.
    """
    known = values.shape[1]
    for s in range(values.shape[0]):
        start = max(first[s], known - window)
        slope[s] = np.nan
        change[s] = start
        if known - start >= 2:
            change[s] = _last_change(values[s], start, known, 4)
            slope[s] = _median_slope(values[s], max(change[s], known - pairs), known)


@kernel()
def cut_history(values: Floats, width: int, least: int, first: Ints) -> None:
    """Move the start of each history behind its only lasting jump.

    A single step, resize or clean-up makes what was before it misleading; jumps that come again are how
    the series behaves, and stay.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, gaps filled, NaN before ``first``; what is cut becomes NaN.
    width : int
        Steps on either side that a lasting jump must divide.
    least : int
        Steps that must be left behind the jump.
    first : int64 (S,)
        First known column; moved in place.
    """
    known = values.shape[1]
    for s in range(values.shape[0]):
        change = _last_change(values[s], first[s], known, width)
        if change > first[s] and known - change >= least:
            before = _last_change(values[s], first[s], change, width)
            if before == first[s]:
                values[s, first[s] : change] = np.nan
                first[s] = change
