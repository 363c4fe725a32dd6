"""From rollups in rows to levels on a grid, and from hours to sustained daily peaks."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def natural_gaps(starts: Ints, buckets: Ints, end: int, gaps: Ints) -> None:
    """Find the usual distance between neighbouring rollups of each series.

    Parameters
    ----------
    starts : int64 (S + 1,)
        Series s owns the rows ``starts[s]:starts[s + 1]``.
    buckets : int64 (N,)
        Numbers of the rollups, rising within a series.
    end : int
        Number of the first rollup that may not be known.
    gaps : int64 (S,)
        Receives the lower median distance; 1 for fewer than two rollups.
    """
    for s in range(starts.shape[0] - 1):
        count, ones = -1, 0
        for r in range(starts[s], starts[s + 1]):
            if buckets[r] < end:
                count += 1
                if count > 0 and buckets[r] - buckets[r - 1] <= 1:
                    ones += 1
        gaps[s] = 1
        # Most series are regular, and one is the least distance.
        if count > 0 and ones <= (count - 1) // 2:
            steps = np.empty(count, np.int64)
            for i in range(count):
                steps[i] = buckets[starts[s] + i + 1] - buckets[starts[s] + i]
            steps.sort()
            gaps[s] = max(steps[(count - 1) // 2], 1)


@kernel()
def scatter(
    starts: Ints, buckets: Ints, values: Floats, chosen: Ints, end: int, width: int, sign: Floats, out: Floats
) -> None:
    """Put the rollups of some series on a grid that ends at one moment.

    A step holds `width` rollups and takes the largest of them times the series' sign.

    Parameters
    ----------
    starts : int64 (S + 1,)
        Rows of each series.
    buckets : int64 (N,)
        Numbers of the rollups.
    values : float64 (N,)
        Statistic of the rollups.
    chosen : int64 (I,)
        Series to place.
    end : int
        Number of the first rollup after the grid.
    width : int
        Rollups per step.
    sign : float64 (I,)
        1, or -1 for series whose low values hurt.
    out : float64 (I, T)
        Receives the levels, right-aligned; NaN where no rollup is.
    """
    columns = out.shape[1]
    out[:, :] = np.nan
    for i in range(chosen.shape[0]):
        for r in range(starts[chosen[i]], starts[chosen[i] + 1]):
            behind = end - 1 - buckets[r]
            if behind < 0:
                break
            if width > 1:
                behind //= width
            t = columns - 1 - behind
            if t >= 0:
                level = sign[i] * values[r]
                # No comparison with NaN holds, so that an empty step takes any level.
                if not np.isnan(level) and not level <= out[i, t]:
                    out[i, t] = level


@kernel()
def _two_of_three(a: float, b: float, c: float) -> float:
    """Return the second largest of three known levels."""
    return max(min(a, b), min(max(a, b), c))


@kernel()
def _sustained(row: Floats, start: int, stop: int, best: Floats) -> float:
    """Return the k-th largest known value of ``row[start:stop]``, k the size of ``best``; NaN when fewer are known."""
    k = best.shape[0]
    if k == 2 and stop - start == 3:
        a, b, c = row[start], row[start + 1], row[start + 2]
        if not (np.isnan(a) or np.isnan(b) or np.isnan(c)):
            return float(_two_of_three(a, b, c))
    best[:] = -np.inf
    known = 0
    for t in range(start, stop):
        v = row[t]
        if np.isnan(v):
            continue
        known += 1
        if v > best[k - 1]:
            j = k - 1
            while j > 0 and best[j - 1] < v:
                best[j] = best[j - 1]
                j -= 1
            best[j] = v
    return float(best[k - 1]) if known >= k else np.nan


@kernel()
def sustained_peaks(values: Floats, per_day: int, k: int, n: int, out: Floats) -> None:
    """Reduce each day to the highest level that was held in k of n consecutive steps.

    A level is crossed for k of n steps within a day exactly when it lies at or below this peak, so
    that daily peaks answer the question for every threshold at once. Days end at the last column;
    a window may begin in the day before.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, right-aligned, NaN where missing.
    per_day : int
        Steps of a day.
    k, n : int
        A crossing is sustained when k of n consecutive steps are beyond the threshold.
    out : float64 (S, D)
        Receives the peaks, right-aligned; NaN for days without k known steps in any window.
    """
    columns = values.shape[1]
    days = out.shape[1]
    best = np.empty(k)
    for s in range(values.shape[0]):
        row = values[s]
        for d in range(days):
            stop = columns - (days - 1 - d) * per_day
            begin = max(stop - per_day, 0)
            short = k == 2 and n == 3 and begin >= 2 and not np.isnan(row[max(begin - 2, 0) : stop]).any()
            peak = np.nan
            for t in range(begin, stop):
                if short:
                    level = _two_of_three(row[t - 2], row[t - 1], row[t])
                elif np.isnan(row[t]):
                    continue
                else:
                    level = _sustained(row, max(t - n + 1, 0), t + 1, best)
                if not np.isnan(level) and (np.isnan(peak) or level > peak):
                    peak = level
            out[s, d] = peak


@kernel()
def path_peaks(recent: Floats, paths: Floats, weights: Floats, per_day: int, k: int, n: int, out: Floats) -> None:
    """Do the same for every path, continuing the newest measured steps.

    Parameters
    ----------
    recent : float64 (S, n - 1)
        Newest measured levels before the origin, NaN where missing.
    paths : float64 (S, P, H)
        Possible futures.
    weights : float64 (S, P)
        Their probabilities.
    per_day, k, n : int
        As for `sustained_peaks`.
    out : float64 (S, P, D)
        Receives the peaks of each day, D times per_day at most H; NaN for paths without weight.
    """
    lead = recent.shape[1]
    row, best = np.empty(lead + paths.shape[2]), np.empty(k)
    for s in range(paths.shape[0]):
        row[:lead] = recent[s]
        short = k == 2 and n == 3 and not np.isnan(recent[s]).any()
        for p in range(paths.shape[1]):
            if not weights[s, p] > 0.0:
                out[s, p, :] = np.nan
                continue
            row[lead:] = paths[s, p]
            for d in range(out.shape[2]):
                peak = -np.inf
                for t in range(lead + d * per_day, lead + (d + 1) * per_day):
                    if short:
                        peak = max(peak, _two_of_three(row[t - 2], row[t - 1], row[t]))
                    else:
                        level = _sustained(row, t - n + 1, t + 1, best)
                        if not np.isnan(row[t]) and level > peak:
                            peak = level
                out[s, p, d] = peak if peak > -np.inf else np.nan
