"""Rollups of sorted samples: one row per series and bucket of time.

The arithmetic of a bucket is serial and in time order, so the result does not depend on threads or
on how the samples arrived.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from capforecast.compiler import kernel

Ints32 = NDArray[np.int32]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

TOP = 8
"""Largest number of top values that is kept by insertion; beyond it the bucket is sorted."""


@kernel()
def _count_buckets(series: Ints32, ts: Ints, step_us: int) -> int:
    buckets = 0
    end = np.int64(0)
    for i in range(ts.size):
        if i == 0 or series[i] != series[i - 1] or ts[i] >= end:
            buckets += 1
            end = (ts[i] // step_us + 1) * step_us
    return buckets


@kernel()
def _p95(values: Floats) -> float:
    # Nearest rank: the m-th largest value, with m - 1 = floor(n / 20) values above it.
    m = values.size - (95 * values.size + 99) // 100 + 1
    if m > TOP:
        return float(np.sort(values)[values.size - m])
    top = np.full(TOP, -np.inf)
    for value in values:
        if value > top[m - 1]:
            j = m - 1
            while j > 0 and top[j - 1] < value:
                top[j] = top[j - 1]
                j -= 1
            top[j] = value
    return float(top[m - 1])


@kernel()
def _mean(values: Floats, low: float, high: float) -> float:
    total = 0.0
    for value in values:
        total += value
    mean = total / values.size
    if not np.isfinite(mean):
        # The sum of values near the end of the double range overflows; their mean does not.
        mean = 0.0
        for value in values:
            mean += value / values.size
    # Rounding must not carry the mean of equal values past them.
    return min(max(mean, low), high)


@kernel()
def rollup(
    series: Ints32, ts: Ints, value: Floats, step_us: int
) -> tuple[Ints32, Ints, Ints32, Floats, Floats, Floats, Floats, Floats]:
    """Return one row per series and bucket of samples sorted by (series, ts).

    Parameters
    ----------
    series : int32 (N,)
        Series of each sample; equal ones adjacent.
    ts : int64 (N,)
        Microseconds since the epoch, not negative, rising within a series.
    value : float64 (N,)
        Finite values.
    step_us : int
        Width of a bucket in microseconds.

    Returns
    -------
    series int32, bucket int64 (``ts // step_us``), count int32, mean, max, p95, last, min float64
        All of one length, in the order of the samples; p95 is the smallest value with at least 95 %
        of the bucket's samples at or below it.
    """
    n = _count_buckets(series, ts, step_us)
    out_series = np.empty(n, np.int32)
    bucket = np.empty(n, np.int64)
    count = np.empty(n, np.int32)
    mean, high, p95 = np.empty(n), np.empty(n), np.empty(n)
    last, low = np.empty(n), np.empty(n)
    start = 0
    for row in range(n):
        which = ts[start] // step_us
        end_us = (which + 1) * step_us
        stop = start + 1
        while stop < ts.size and series[stop] == series[start] and ts[stop] < end_us:
            stop += 1
        values = value[start:stop]
        out_series[row] = series[start]
        bucket[row] = which
        count[row] = stop - start
        smallest, largest = values[0], values[0]
        for one in values:
            smallest = min(smallest, one)
            largest = max(largest, one)
        low[row] = smallest
        high[row] = largest
        mean[row] = _mean(values, smallest, largest)
        p95[row] = _p95(values)
        last[row] = values[-1]
        start = stop
    return out_series, bucket, count, mean, high, p95, last, low
