"""How a series moves: clean-ups, bursts, month ends, and the hours in which its days peak."""

from __future__ import annotations

import numpy as np

from capforecast.compiler import kernel
from capforecast.panel import Floats, Ints


@kernel()
def _largest(y: Floats, most: int) -> tuple[float, float, float]:
    """Return the largest drop between neighbours that are known, the range, and the median of some of the steps."""
    drop, low, high, before, count, kept = 0.0, np.inf, -np.inf, np.nan, 0, 0
    apart = max(y.size // most, 1) | 1
    steps = np.empty(y.size // apart + 1)
    for v in y:
        if not np.isnan(v):
            low, high = min(low, v), max(high, v)
            if not np.isnan(before):
                drop = max(drop, before - v)
                if count % apart == 0:
                    steps[kept] = abs(v - before)
                    kept += 1
                count += 1
            before = v
    return drop, high - low, np.median(steps[:kept]) if kept > 0 else 0.0


@kernel()
def teeth(values: Floats, first: Ints, window: int, most: int, out: Floats) -> None:
    """Find the sudden drops of each series, and the tops they fall from.

    A drop is sudden when it is at least half as large as the largest one, which must be a seventh of the
    range and eight times the median step.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, high hurts, NaN where missing.
    first : int64 (S,)
        First known column.
    window : int
        Columns at the right end that are looked at.
    most : int
        Steps, about evenly spaced, from which the median is taken.
    out : float64 (S, 8)
        Receives: number of drops; number of rises as sudden as they are; lowest and highest top; slope of
        the tops per column; mean depth of a drop; columns since the last drop, and from the first to it.
        NaN where there is none.
    """
    columns = values.shape[1]
    for s in range(values.shape[0]):
        out[s, :] = np.nan
        out[s, :2] = 0.0
        start = max(first[s], columns - window)
        y = values[s, start:]
        if y.size < 3:
            continue
        drop, span, typical = _largest(y, most)
        if not drop > 0.0 or drop < 0.15 * span or drop < 8.0 * typical:
            continue
        begin = 0
        before, moments, squares, cross, sums, depth = np.nan, 0.0, 0.0, 0.0, 0.0, 0.0
        for t in range(y.size):
            v = y[t]
            if np.isnan(v):
                continue
            if before - v >= 0.5 * drop:
                out[s, 0] += 1.0
                out[s, 2], out[s, 3] = np.fmin(out[s, 2], before), np.fmax(out[s, 3], before)
                moments += t
                squares += float(t) * t
                sums += before
                cross += t * before
                depth += before - v
                out[s, 6] = y.size - t
                begin = t if out[s, 0] == 1.0 else begin
                out[s, 7] = t - begin
            elif v - before >= 0.5 * drop:
                out[s, 1] += 1.0
            before = v
        n = out[s, 0]
        spread = squares - moments * moments / n
        out[s, 4] = (cross - moments * sums / n) / spread if spread > 0.0 else 0.0
        out[s, 5] = depth / n


@kernel()
def episodes(values: Floats, first: Ints, apart: int, most: int, out: Ints) -> None:
    """Count the bursts of each series: times at which it is eight upper quartile distances above its median.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, NaN where missing.
    first : int64 (S,)
        First known column.
    apart : int
        Columns that divide two bursts.
    most : int
        Values, about evenly spaced, from which the quartiles are taken.
    out : int64 (S,)
        Receives the number of bursts; 0 where a tenth of all levels or more are as high.
    """
    sample = np.empty(values.shape[1])
    for s in range(values.shape[0]):
        out[s] = 0
        y = values[s, first[s] :]
        size = 0
        for t in range(0, y.size, max(y.size // most, 1) | 1):
            if not np.isnan(y[t]):
                sample[size] = y[t]
                size += 1
        if size < 8:
            continue
        ordered = np.sort(sample[:size])
        middle = ordered[size // 2]
        bound = middle + 8.0 * (ordered[(3 * size) // 4] - middle)
        known, high, last = 0, 0, -apart - 1
        for t in range(y.size):
            if y[t] > bound:
                high += 1
                if t - last > apart:
                    out[s] += 1
                last = t
            if not np.isnan(y[t]):
                known += 1
        if 10 * high >= known:
            out[s] = 0


@kernel()
def month_ends(daily: Floats, first: Ints, ends: Ints, near: int, far: int, out: Ints) -> None:
    """Count the months whose end stands out.

    A month's end stands out when the highest of the days around it is above all other days nearby, by at
    least a half of the distance between the highest and the lowest of those.

    Parameters
    ----------
    daily : float64 (S, T)
        Daily peaks, NaN where missing.
    first : int64 (S,)
        First known column.
    ends : int64 (M,)
        Columns of the last days of months, rising; may lie outside.
    near, far : int
        Days on either side that belong to the end, and that it is compared with.
    out : int64 (S, 2)
        Receives the number of months that can be judged, and of those that stand out.
    """
    columns = daily.shape[1]
    for s in range(daily.shape[0]):
        out[s, :] = 0
        for end in ends:
            if end - far < first[s] or end + near >= columns:
                continue
            top, high, low = -np.inf, -np.inf, np.inf
            for t in range(end - far, min(end + far + 2, columns)):
                v = daily[s, t]
                if np.isnan(v):
                    continue
                if end - near <= t <= end + near + 1:
                    top = max(top, v)
                else:
                    high, low = max(high, v), min(low, v)
            if top == -np.inf or high == -np.inf:
                continue
            out[s, 0] += 1
            if top > high + 0.5 * (high - low) and top > high:
                out[s, 1] += 1


@kernel()
def climb(daily: Floats, start: Ints, out: Floats) -> None:
    """Measure how straight and how far each series has climbed since some column.

    Parameters
    ----------
    daily : float64 (S, T)
        Daily peaks without gaps.
    start : int64 (S,)
        Column from which on.
    out : float64 (S, 2)
        Receives: share of the variance that a rising line explains (0 where it falls); rise of the line
        over the largest absolute level.
    """
    columns = daily.shape[1]
    for s in range(daily.shape[0]):
        out[s, :] = 0.0
        n = columns - start[s]
        if n < 3:
            continue
        middle, mean, largest = 0.5 * (n - 1), 0.0, 0.0
        for t in range(start[s], columns):
            mean += daily[s, t] / n
            largest = max(largest, abs(daily[s, t]))
        cross, square, total = 0.0, 0.0, 0.0
        for i in range(n):
            v = daily[s, start[s] + i] - mean
            cross += (i - middle) * v
            square += (i - middle) ** 2
            total += v * v
        if cross > 0.0 and total > 0.0 and largest > 0.0:
            out[s, 0] = min(cross * cross / (square * total), 1.0)
            out[s, 1] = cross / square * (n - 1) / largest


@kernel()
def peak_hours(values: Floats, per_day: int, hour: Ints, days: int, out: Ints) -> None:
    """Find the hours of the day in which four fifths of the daily peaks fall.

    Parameters
    ----------
    values : float64 (S, T)
        Levels, NaN where missing.
    per_day : int
        Columns of a day, which are counted from the right end.
    hour : int64 (T,)
        Hour of the day of each column.
    days : int
        Newest days that are looked at.
    out : int64 (S, 2)
        Receives the first hour and the number of hours; (-1, 0) with fewer than seven days.
    """
    columns = values.shape[1]
    for s in range(values.shape[0]):
        counts = np.zeros(24, np.int64)
        seen = 0
        for d in range(min(days, columns // per_day)):
            best, place = -np.inf, -1
            for t in range(columns - (d + 1) * per_day, columns - d * per_day):
                if values[s, t] > best:
                    best, place = values[s, t], t
            if place >= 0:
                counts[hour[place]] += 1
                seen += 1
        out[s, 0], out[s, 1] = -1, 0
        if seen < 7:
            continue
        for width in range(1, 25):
            most = 0
            for h in range(24):
                inside = 0
                for i in range(width):
                    inside += counts[(h + i) % 24]
                if inside > most:
                    most = inside
                    out[s, 0] = h
            if 5 * most >= 4 * seen:
                out[s, 1] = width
                break
