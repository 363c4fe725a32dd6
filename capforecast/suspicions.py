"""What looks wrong in the newest rollups of many series at once: arrays in, one truth per series out.

Every suspicion is a rule on what each series did, said in one sentence at its function; none changes anything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from capforecast.panel import Floats, Ints

LEAST = 48
"""Rollups that a series must have before its course says anything."""
FULL = 88.0
"""Percents from which memory that hardly moves is likely to be the cache of files."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What S series did: series s owns the rows ``starts[s]:starts[s + 1]``.

    Attributes
    ----------
    starts, bucket : int64 (S + 1,), int64 (N,)
        Rollups in the order of time.
    count, low, high, last : float64 (N,)
        Their samples, extremes and newest values.
    """

    starts: Ints
    bucket: Ints
    count: Floats
    low: Floats
    high: Floats
    last: Floats

    def parts(self) -> list[slice]:
        """Return the rows of each series."""
        return [slice(int(a), int(b)) for a, b in zip(self.starts, self.starts[1:], strict=False)]


def highest(traces: Traces) -> Floats:
    """Return the highest value of each series, float64 (S,); NaN without any."""
    return _each(traces, traces.high, np.maximum)


def lowest(traces: Traces) -> Floats:
    """Return the lowest value of each series, float64 (S,); NaN without any."""
    return _each(traces, traces.low, np.minimum)


def middle(traces: Traces) -> Floats:
    """Return the median of each series' newest values of rollups, float64 (S,); NaN without any."""
    count = np.diff(traces.starts)
    owner = np.repeat(np.arange(count.size), count)
    ranked = traces.last[np.lexsort((traces.last, owner))]
    out = np.full(count.size, np.nan)
    out[count > 0] = ranked[(traces.starts[:-1] + count // 2)[count > 0]]
    return out


def counts_up(traces: Traces) -> np.ndarray:
    """Tell which series only rise, in most steps, but for drops to less than a tenth, bool (S,).

    That is what a counter does that is fed as it is; a level that grows falls back by a little now and then.
    """
    out = np.zeros(traces.starts.size - 1, bool)
    for s, part in enumerate(traces.parts()):
        last = traces.last[part]
        if last.size >= LEAST and last[0] >= 0:
            step = np.diff(last)
            down = step < 0
            restarts = last[1:][down] < 0.1 * last[:-1][down]
            inside = traces.low[part][1:] >= last[:-1]
            out[s] = bool(restarts.all() and (step > 0).mean() >= 0.6 and inside[~down].all())
    return out


def went_flat(traces: Traces) -> np.ndarray:
    """Tell which series moved in most steps before and did not move at all in the newest 48, bool (S,)."""
    out = np.zeros(traces.starts.size - 1, bool)
    for s, part in enumerate(traces.parts()):
        low, high = traces.low[part], traces.high[part]
        if low.size >= 2 * LEAST:
            before = traces.last[part][:-LEAST]
            flat = low[-LEAST:].min() == high[-LEAST:].max()
            out[s] = bool(flat and (np.diff(before) != 0).mean() >= 0.8)
    return out


def changed_step(traces: Traces) -> Floats:
    """Return how many times more samples a step has in one half of the time than in the other, float64 (S,).

    1 where nothing changed, NaN where there is too little to tell.
    """
    out = np.full(traces.starts.size - 1, np.nan)
    for s, part in enumerate(traces.parts()):
        bucket, count = traces.bucket[part], traces.count[part]
        half = int(np.searchsorted(bucket, (bucket[0] + bucket[-1]) // 2 + 1)) if bucket.size else 0
        if min(half, bucket.size - half) >= LEAST // 2:
            pace = [
                float(np.median(count[rows])) / max(float(np.median(np.diff(bucket[rows]))), 1.0)
                for rows in (slice(0, half), slice(half, None))
            ]
            out[s] = max(pace) / min(pace)
    return out


def stays_full(traces: Traces, whole: Floats) -> np.ndarray:
    """Tell which series stay within a few percent just below their whole, bool (S,).

    Parameters
    ----------
    traces : Traces
        What they did.
    whole : float64 (S,)
        100 of percents, the capacity of others; NaN where it is not known.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        least = 100.0 * lowest(traces) / whole
        most = 100.0 * highest(traces) / whole
        enough = np.diff(traces.starts) >= LEAST
        stays: np.ndarray = enough & (least >= FULL) & (most <= 100.0) & (most - least <= 8.0) & (most > least)
    return stays


def _each(traces: Traces, values: Floats, reduce: np.ufunc) -> Floats:
    out = np.full(traces.starts.size - 1, np.nan)
    some = np.flatnonzero(np.diff(traces.starts) > 0)
    if some.size:
        out[some] = reduce.reduceat(values, traces.starts[:-1][some])
    return out
