"""What the series of a service, a team or a site need together: futures of their sum.

The daily peaks of the members are added up day by day, and the sum is forecast as a series is. What rose together in
the past so rises together in each of its futures, and what took turns goes on to do so: a quantile of the total is
none of the sums of quantiles of its members.

Levels are added up where they are bytes, rates or counts. A member has a level for the threshold's name, data for
nine tenths of the days looked back on, and some of the last day; all others are counted, and neither their levels nor
their thresholds are in the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.breach import BAND, NEEDED_DAYS, SPANS, Outlook, date_by, level_needed, levels, probabilities
from capforecast.expected import Expected
from capforecast.expected import levels as floats
from capforecast.forecast import forecast
from capforecast.kernels.summing import add_up
from capforecast.kinds import BUILT_IN, Kind
from capforecast.panel import DAY_US, Floats, Ints, Panel
from capforecast.pool import families, recipes
from capforecast.schema import LABELS, TOTALS
from capforecast.tables import Stamp, conform, empty

MOST = 300
"""Totals of each label at most, those with the most series."""
LEAST_DAYS = 14
"""A total of fewer days is not forecast."""
KNOWN, OLD = 0.9, 0.8
"""Share of the days that must be known of a member; share of the series that must be as old as the days are many."""
NAMES = ("metric", "unit", "threshold_name")
ADDED = ("bytes", "rate", "count")


def adds_up(kind: Kind) -> bool:
    """Tell whether the level of two hosts together is the sum of both."""
    units = {unit for one in BUILT_IN if one.name in ADDED for unit in one.units}
    return kind.name in ADDED or kind.unit in units


@dataclass(frozen=True, slots=True)
class _Label:
    """The totals of one label.

    Attributes
    ----------
    named : DataFrame
        label, name, metric, unit, threshold_name and `asked`, the thresholds that there are; one row per total.
    key : int64 (R,)
        Total of each threshold, -1 without one.
    days : int64 (K,)
        Days that each total looks back on.
    level, capacity : float64 (K,)
        Sums over the members.
    members : int64 (K,)
        Thresholds in the sums.
    past : float64 (K, D)
        Sums of the daily peaks.
    """

    named: pl.DataFrame
    key: Ints
    days: Ints
    level: Floats
    capacity: Floats
    members: Ints
    past: Floats


class Totals:
    """Adds up the past of the series of a run, taken in by item, and forecasts the sums.

    Parameters
    ----------
    expected : Expected
        The run.
    stamp : Stamp
        Its moment.
    days : int
        Days that are looked back on and ahead, D.
    target : float
        Accepted probability of a breach, for what must be added.
    """

    def __init__(self, expected: Expected, stamp: Stamp, days: int, target: float):
        self._stamp, self._horizon, self._target = stamp, days, target
        adds = np.array([adds_up(kind) for kind in expected.kinds])
        level = floats(expected.thresholds.get_column("threshold"))
        series = expected.owner[expected.item]
        wanted = ~expected.below[expected.item] & adds[expected.kind[series]] & ~expected.excluded[series]
        rows = np.flatnonzero(wanted & ~np.isnan(level))
        # Items of one direction rise with the thresholds, which stand by series.
        self._item = expected.item[rows]
        self._level = level[rows]
        self._capacity = floats(expected.thresholds.get_column("capacity"))[rows]
        named = expected.series[series[rows]].select(pl.col("metric", "unit", *LABELS).cast(pl.String)).with_columns(
            expected.thresholds[rows].get_column("threshold_name").cast(pl.String),
            age=pl.Series((stamp.as_of_us - expected.first_us[series[rows]]) // DAY_US),
        )  # fmt: skip
        found = (_label(named, label, days) for label in LABELS)
        self._labels: Sequence[_Label] = [one for one in found if one is not None]

    def add(self, start: int, daily: Floats) -> None:
        """Take in the daily peaks of items from `start` on, float64 (I, D), NaN where nothing was measured.

        Items come in their order; sums are then the same however many come at a time.
        """
        low, high = np.searchsorted(self._item, (start, start + daily.shape[0]))
        place = self._item[low:high] - start
        if not self._labels or not place.size:
            return
        known = ~np.isnan(daily)
        counted = known[:, ::-1].cumsum(axis=1)
        filled = _filled(daily, known)
        for label in self._labels:
            key = label.key[low:high]
            days = label.days[key]
            member = (key >= 0) & (days >= LEAST_DAYS) & known[place, -1]
            member &= counted[place, np.maximum(days, 1) - 1] >= KNOWN * days
            mine = np.flatnonzero(member)
            add_up(key[mine], place[mine], filled, label.past)
            for sums, values in ((label.level, self._level), (label.capacity, self._capacity)):
                np.add.at(sums, key[mine], values[low:high][mine])
            label.members[:] += np.bincount(key[mine], minlength=label.members.size)

    def rows(self) -> pl.DataFrame:
        """Return the table ``totals``: by label, then the earliest and likeliest to cross first."""
        parts = [self._rows(label) for label in self._labels]
        return pl.concat(parts) if parts else empty(TOTALS.name)

    def _rows(self, label: _Label) -> pl.DataFrame:
        seen = label.members > 0
        past = np.where(np.arange(self._horizon) >= self._horizon - label.days[:, None], label.past, np.nan)
        past[~seen] = np.nan
        level = np.where(seen, label.level, np.nan)
        future = self._futures(past)
        chance = probabilities(future, np.arange(level.size), level)
        told = seen & (future.weights.sum(axis=1) > 0)
        chance[~told[:, None] | (np.arange(1, self._horizon + 1) > label.days[:, None])] = np.nan
        ahead = levels(None, future)
        ahead[np.isnan(chance)] = np.nan
        enough = told & (label.days >= NEEDED_DAYS)
        needed = np.where(enough, level_needed(future, self._target, NEEDED_DAYS), np.nan)
        whole = np.where(np.isnan(label.capacity), label.level, label.capacity)
        with np.errstate(invalid="ignore", divide="ignore"):
            add = np.where(label.level > 0, np.maximum(needed / label.level - 1.0, 0.0) * whole, np.nan)
        numbers = {
            "threshold": level,
            "capacity": np.where(seen, label.capacity, np.nan),
            "current": past[:, -1],
            **{f"p_breach_{span}d": _on(chance, span) for span in SPANS},
            **{f"forecast_{span}d_p{p}": _on(ahead[:, :, i], span) for span in (30, 90) for i, p in ((1, 50), (2, 90))},
            "add_needed_90d": add,
        }
        sure = np.nan_to_num(chance)
        dates = {f"breach_date_p{round(100 * p)}": date_by(sure, p, self._stamp.as_of_us) for p in BAND}
        frame = label.named.with_columns(
            *self._stamp.columns(),
            *(pl.Series(name, values).fill_nan(None) for name, values in numbers.items()),
            *(pl.Series(name, days).fill_nan(None).cast(pl.Int32).cast(pl.Date) for name, days in dates.items()),
            series=pl.Series(label.members),
            series_left_out=pl.col("asked").cast(pl.Int64) - pl.Series(label.members),
            history_days=pl.Series(np.where(seen, label.days, 0)),
        )
        order = (pl.col("breach_date_p10"), -pl.col("p_breach_90d"), -pl.col("p_breach_30d"))
        return conform(frame.sort(*order, "name", *NAMES, nulls_last=True), TOTALS)

    def _futures(self, past: Floats) -> Outlook:
        """Forecast the sums by the same way as the daily peaks of a series."""
        _, far, origins = families("pool")
        _, recipe = recipes(origins)
        count = past.shape[0]
        panel = Panel(
            past, DAY_US, np.full(count, self._stamp.as_of_us), np.zeros(count), np.full(count, np.inf)
        )  # fmt: skip
        found = forecast(panel, far, self._horizon, recipe)
        return Outlook(found.paths, found.path_weights)


def _label(named: pl.DataFrame, label: str, days: int) -> _Label | None:
    """Return the totals of a label, without anything in them; None where no series has it."""
    labelled = named.with_row_index("row").filter(pl.col(label).is_not_null() & (pl.col(label) != ""))
    totals = (
        labelled.group_by(label, *NAMES)
        .agg(pl.len().alias("asked"), pl.col("age").quantile(1.0 - OLD, "lower").cast(pl.Int64))
        .sort(-pl.col("asked").cast(pl.Int64), label, *NAMES, nulls_last=True)
        .head(MOST)
        .with_row_index("key")
    )
    if totals.is_empty():
        return None
    owned = labelled.join(totals, on=[label, *NAMES], how="inner", nulls_equal=True)
    key = np.full(named.height, -1, np.int64)
    key[owned.get_column("row").to_numpy()] = owned.get_column("key").to_numpy()
    count = totals.height
    return _Label(
        totals.select(pl.lit(label).alias("label"), pl.col(label).alias("name"), *NAMES, "asked"),
        key,
        np.minimum(totals.get_column("age").to_numpy(), days).astype(np.int64),
        np.zeros(count), np.zeros(count), np.zeros(count, np.int64), np.zeros((count, days)),
    )  # fmt: skip


def _filled(daily: Floats, known: np.ndarray) -> Floats:
    """Return the peaks with those of missing days as on the day before, or after where there is none before."""
    gaps = np.flatnonzero(~known.all(axis=1))
    if not gaps.size:
        return daily
    days = np.arange(daily.shape[1])
    before = np.maximum.accumulate(np.where(known[gaps], days, -1), axis=1)
    first = known[gaps].argmax(axis=1)
    out = daily.copy()
    out[gaps] = daily[gaps[:, None], np.where(before < 0, first[:, None], before)]
    return out


def _on(values: Floats, day: int) -> Floats:
    """Return the values of a day ahead; NaN beyond the horizon."""
    return values[:, day - 1] if day <= values.shape[1] else np.full(values.shape[0], np.nan)
