"""What a series looks like: numbers from which its pattern is named."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def _explained(y: Floats, season: int) -> float:
    """Return the share of the variance of ``y`` that repeats with a season, adjusted for chance."""
    n = y.shape[0]
    if season < 2 or n < 2 * season:
        return 0.0
    sums, counts = np.zeros(season), np.zeros(season)
    mean, known, p = 0.0, 0, 0
    for t in range(n):
        if not np.isnan(y[t]):
            sums[p] += y[t]
            counts[p] += 1.0
            mean += y[t]
            known += 1
        p = p + 1 if p + 1 < season else 0
    if known <= season:
        return 0.0
    mean /= known
    total, rest, p = 0.0, 0.0, 0
    for q in range(season):
        sums[q] /= max(counts[q], 1.0)
    for t in range(n):
        if not np.isnan(y[t]):
            total += (y[t] - mean) ** 2
            rest += (y[t] - sums[p]) ** 2
        p = p + 1 if p + 1 < season else 0
    if total <= 0.0:
        return 0.0
    return 1.0 - (rest / (known - season)) / (total / (known - 1))


@kernel()
def _sample(known: Floats, most: int) -> Floats:
    """Return every so many-th value, at most about ``most``; the distance has no divisor with a day or a week."""
    apart = max(known.size // most, 1)
    while apart % 2 == 0 or apart % 3 == 0 or apart % 7 == 0:
        apart += 1
    return known[::apart].copy()


@kernel()
def describe(values: Floats, first: Ints, m1: int, m2: int, seasons: int, most: int, out: Floats) -> None:
    """Measure each series over its known columns.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, NaN where missing.
    first : int64 (S,)
        First known column.
    m1, m2 : int
        Season lengths in steps; 1 for none.
    seasons : int
        Newest long seasons in which repetition is looked for.
    most : int
        Values, evenly spaced, from which quantiles are taken.
    out : float64 (S, 8)
        Receives: share of missing steps; range; largest absolute level; share of variance that repeats
        with m1, and with m2; large sudden drops; share of rising among changing steps; distance of the
        0.98 quantile from the median over the distance of the 0.75 quantile from it.
    """
    for s in range(values.shape[0]):
        y = values[s, first[s] :]
        out[s, :] = 0.0
        n = y.shape[0]
        known = y[~np.isnan(y)]
        if known.size == 0:
            out[s, 0] = 1.0
            continue
        low, high = np.min(known), np.max(known)
        out[s, 0] = 1.0 - known.size / n
        out[s, 1] = high - low
        out[s, 2] = max(abs(low), abs(high))
        # What repeats shows in the newest few seasons.
        recent = y[max(n - seasons * max(m1, m2), 0) :]
        out[s, 3] = _explained(recent, m1)
        out[s, 4] = _explained(recent, m2)
        rises, falls = 0, 0
        for t in range(1, known.size):
            step = known[t] - known[t - 1]
            if step > 0.0:
                rises += 1
            elif step < 0.0:
                falls += 1
                if -step > 0.3 * out[s, 1]:
                    out[s, 5] += 1.0
        out[s, 6] = rises / max(rises + falls, 1)
        ordered = np.sort(_sample(known, most))
        n = ordered.size
        middle = ordered[n // 2]
        upper = ordered[(3 * n) // 4] - middle
        top = ordered[min((98 * n) // 100, n - 1)] - middle
        out[s, 7] = top / upper if upper > 0.0 else (np.inf if top > 0.0 else 0.0)


@kernel()
def _largest(values: Floats, rank: int) -> float:
    """Return the value that is the ``rank``-th largest: the least of a heap of the largest ones."""
    heap = np.empty(rank)
    heap[:] = -np.inf
    for value in values:
        if value > heap[0]:
            i = 0
            while True:
                child = 2 * i + 1
                if child + 1 < rank and heap[child + 1] < heap[child]:
                    child += 1
                if child >= rank or heap[child] >= value:
                    break
                heap[i] = heap[child]
                i = child
            heap[i] = value
    return float(heap[0])


@kernel()
def newest(values: Floats, first: Ints, last: Ints, window: int, k: int, n: int, ceiling: Floats, out: Floats) -> None:
    """Measure where each series stands now.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, high hurts, NaN where missing.
    first, last : int64 (S,)
        First and last known column; first = T where there is none.
    window : int
        Columns at the right end that count as recent.
    k, n : int
        A level is held when k of the last n steps reach it.
    ceiling : float64 (S,)
        Upper bound of the metric, on the sign of the values.
    out : float64 (S, 3)
        Receives: 0.95 quantile of the recent levels (nearest rank); level held over the newest steps;
        share of the known levels above the ceiling. NaN where nothing is known.
    """
    columns = values.shape[1]
    for s in range(values.shape[0]):
        out[s, :] = np.nan
        if first[s] == columns:
            continue
        recent = values[s, max(first[s], columns - window) :]
        known = recent[~np.isnan(recent)]
        if known.size:
            out[s, 0] = _largest(known, known.size - (95 * known.size + 99) // 100 + 1)
        tail = values[s, max(last[s] - n + 1, 0) : last[s] + 1]
        held = np.sort(tail[~np.isnan(tail)])
        if held.size >= k:
            out[s, 1] = held[held.size - k]
        above, count = 0, 0
        for t in range(first[s], columns):
            # Without branches, so that several columns are counted at once; NaN is above nothing.
            count += not np.isnan(values[s, t])
            above += values[s, t] > ceiling[s]
        out[s, 2] = above / count
