"""The history of a shard: rollups as arrays, natural steps, blocks of like series, levels on a grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from capforecast.kernels.grid import scatter
from capforecast.panel import HOUR_US, MINUTE_US, Floats, Ints
from capforecast.schema import PATTERNS

STEPS_US = tuple(HOUR_US * h for h in (1, 2, 3, 4, 6, 8, 12, 24, 24 * 7))
PARTS_OF_HOUR_US = tuple(MINUTE_US * m for m in (1, 2, 5, 10, 15, 20, 30))
BLOCK = 64


@dataclass(frozen=True, slots=True)
class History:
    """Rollups of the series of a shard: series s owns the rows ``starts[s]:starts[s + 1]``, in order of time."""

    starts: Ints
    buckets: Ints
    statistics: dict[str, Floats]
    step_us: int


@dataclass(frozen=True, slots=True)
class Items:
    """What is forecast: one item per series and direction.

    Attributes
    ----------
    series : int64 (I,)
        Index into the shard's rollups.
    sign : float64 (I,)
        1 where high values hurt, -1 where low ones do.
    statistic : object (I,)
        Name of the rollup column.
    lower, upper : float64 (I,)
        Physical bounds in the unit of the series.
    k, n : int64 (I,)
        A crossing is sustained when k of n consecutive steps are beyond the threshold.
    """

    series: Ints
    sign: Floats
    statistic: np.ndarray
    lower: Floats
    upper: Floats
    k: Ints
    n: Ints


def natural_steps(distance_us: Ints, store_step_us: int) -> Ints:
    """Round the usual distance of rollups up to a step that divides a day or a week, and is whole in the store's."""
    allowed = np.array([s for s in PARTS_OF_HOUR_US + STEPS_US if s % store_step_us == 0] or [store_step_us])
    return allowed[np.minimum(np.searchsorted(allowed, distance_us), allowed.size - 1)]


def groups(items: Items, steps: Ints, rollups: History, among: Ints, size: int = BLOCK) -> Iterator[Ints]:
    """Yield blocks of up to so many of some items alike in step, statistic and rule, and near in length."""
    length = (rollups.starts[1:] - rollups.starts[:-1])[items.series]
    names = {name: i for i, name in enumerate(sorted(rollups.statistics))}
    code = np.array([names[s] for s in items.statistic], np.int64)
    order = among[np.lexsort([key[among] for key in (length, items.n, items.k, code, steps)])]
    keys = np.stack((steps, code, items.k, items.n), axis=1)[order]
    cuts = np.flatnonzero(np.any(keys[1:] != keys[:-1], axis=1)) + 1
    for group in np.split(order, cuts):
        for start in range(0, group.size, size):
            yield group[start : start + size]


def newest_us(rollups: History, series: Ints, end_us: int) -> Ints:
    """Return the end of the newest rollup of each series before the end; 0 where there is none."""
    end = end_us // rollups.step_us
    start, stop = rollups.starts[series], rollups.starts[series + 1]
    rows = np.flatnonzero(stop > start)
    newest = rollups.buckets[stop[rows] - 1]
    for late in np.flatnonzero(newest >= end):
        buckets = rollups.buckets[start[rows[late]] : stop[rows[late]]]
        before = int(np.searchsorted(buckets, end))
        newest[late] = buckets[before - 1] if before else -1
    out = np.zeros(series.size, np.int64)
    out[rows] = (newest + 1) * rollups.step_us
    return out


def grid(rollups: History, items: Items, chosen: Ints, step_us: int, end_us: int) -> Floats:
    """Return the block's levels on its grid, high hurts, right-aligned at the end."""
    width = step_us // rollups.step_us
    end = end_us // rollups.step_us
    starts, series = rollups.starts, items.series[chosen]
    oldest = int(rollups.buckets[starts[series][starts[series + 1] > starts[series]]].min(initial=end))
    columns = max(-(-(end - oldest) // width), 1)
    values = np.empty((chosen.size, columns))
    scatter(
        starts, rollups.buckets, rollups.statistics[items.statistic[chosen[0]]], series, end, width,
        items.sign[chosen], values,
    )  # fmt: skip
    return values


def patterns(shape: Floats, constant: np.ndarray, clean_ups: Ints, bursts: Ints) -> Ints:
    """Name the shape of each series, most specific first; see the columns of ``describe`` and `Motion`."""
    day, week, drops, rising, burst = shape[:, 3], shape[:, 4], shape[:, 5], shape[:, 6], shape[:, 7]
    rules = (
        ("flat", constant),
        ("sawtooth", ((drops >= 2) & (rising >= 0.6)) | (clean_ups >= 3)),
        ("weekly", (week >= 0.4) & (week - day >= 0.15)),
        ("daily", day >= 0.3),
        ("bursty", (burst >= 8.0) | (bursts >= 5)),
    )
    out = np.full(shape.shape[0], PATTERNS.index("steady"), np.int64)
    for name, holds in reversed(rules):
        out[holds] = PATTERNS.index(name)
    return out


def tail(values: Floats, count: int) -> Floats:
    """Return the newest ``count`` columns, NaN-padded on the left."""
    out = np.full((values.shape[0], count), np.nan)
    have = min(count, values.shape[1])
    if have:
        out[:, count - have :] = values[:, values.shape[1] - have :]
    return out
