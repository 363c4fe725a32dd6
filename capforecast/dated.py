"""What changes with time: thresholds that are planned, and sizes that metrics of shares refer to.

A share of something that was resized is told as if it had always had its size of today: a resize is then
neither a rise nor a drop, and a planned one moves the threshold on its day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.globs import Names
from capforecast.history import History
from capforecast.kinds import Kind, by_name
from capforecast.limits import KEY, Resolved, capacity_steps, resolve
from capforecast.panel import DAY_US, Floats, Ints
from capforecast.times import format_moment

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Dated:
    """Changes of some series, in the unit of the series and as shares of the sizes at as_of.

    Attributes
    ----------
    row, row_from_us : int64 (N,)
        Place of the threshold in `Resolved.thresholds`, rising, and when the level begins to hold.
    level : float64 (N,)
        Threshold from then on; infinite on the harmless side where it is switched off.
    series, from_us : int64 (M,)
        Series of shares whose size changed up to as_of, rising, and when the size began to hold; the
        least int64 where it always did.
    size : float64 (M,)
        Size from then on.
    free : bool (M,)
        Is it the share that is left free.
    whole : float64 (M,)
        Value of the whole: 100 for a percent metric.
    grown : int64 (G,)
        Series of shares whose size will be larger, rising.
    factor : float64 (G,)
        Largest size to come as a multiple of that of as_of.
    begin : tuple of str
        Sentences about thresholds that begin within the horizon: before their day they have no row, since what is
        published is judged later at a level that was in force.
    """

    row: Ints
    row_from_us: Ints
    level: Floats
    series: Ints
    from_us: Ints
    size: Floats
    free: np.ndarray
    whole: Floats
    grown: Ints
    factor: Floats
    begin: tuple[str, ...] = ()

    @classmethod
    def nothing(cls) -> Dated:
        """Return that nothing changes."""
        none = np.empty(0)
        return cls(_NONE, _NONE, none, _NONE, _NONE, none, np.empty(0, bool), none, _NONE, none)

    def days(self, rows: Ints, level: Floats, as_of_us: int, days: int) -> tuple[Ints, Floats]:
        """Return which of some thresholds change, and their level on each day ahead.

        Parameters
        ----------
        rows : int64 (R,)
            Thresholds, by their place in `Resolved.thresholds`.
        level : float64 (R,)
            Their levels at as_of.
        as_of_us : int
            End of what is known.
        days : int
            Days ahead, D.

        Returns
        -------
        changing : int64 (C,)
            Places in `rows`.
        levels : float64 (C, D)
            A change holds on a day when it holds at the middle of it, which also gives the day its date.
        """
        first = np.searchsorted(self.row, rows)
        stop = np.searchsorted(self.row, rows, side="right")
        changing = np.flatnonzero(stop > first)
        out = np.repeat(level[changing, None], days, axis=1)
        for place, r in enumerate(changing):
            for change in range(first[r], stop[r]):
                day = -(-(int(self.row_from_us[change]) - as_of_us - DAY_US // 2) // DAY_US)
                out[place, max(day, 0) :] = self.level[change]
        return changing, out

    def rebased(self, rollups: History, places: Ints) -> History:
        """Return rollups as shares of the sizes at as_of.

        Of several sizes in one step the smallest counts: the highest share is that of the time at which the
        size was smallest, where as much was used all the time.

        Parameters
        ----------
        rollups : History
            History of some series.
        places : int64 (S,)
            Their places among all series.
        """
        first = np.searchsorted(self.series, places)
        stop = np.searchsorted(self.series, places, side="right")
        changing = np.flatnonzero(stop > first)
        if not changing.size:
            return rollups
        statistics = {name: values.copy() for name, values in rollups.statistics.items()}
        for s in changing:
            part, change = slice(rollups.starts[s], rollups.starts[s + 1]), slice(first[s], stop[s])
            begins = rollups.buckets[part] * rollups.step_us
            moments, size = self.from_us[change], self.size[change]
            # What was before the first dated size is taken to have had that size.
            before = np.maximum(np.searchsorted(moments, begins, side="right") - 1, 0)
            after = np.maximum(np.searchsorted(moments, begins + rollups.step_us), 1)
            held = np.minimum.reduceat(np.append(size, np.inf), np.column_stack((before, after)).ravel())[::2]
            factor = held / size[-1]
            whole = self.whole[first[s]]
            for values in statistics.values():
                values[part] = whole - (whole - values[part]) * factor if self.free[first[s]] else values[part] * factor
        return History(rollups.starts, rollups.buckets, statistics, rollups.step_us)

    def bounds(self, series: Ints, free: np.ndarray, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
        """Return the bounds of shares of today's size, wide enough for what a larger one will hold.

        Parameters
        ----------
        series : int64 (I,)
            Series of each item.
        free : bool (I,)
            Is its kind a share that is left free.
        lower, upper : float64 (I,)
            Bounds of their kinds.
        """
        if not self.grown.size:
            return lower, upper
        place = np.minimum(np.searchsorted(self.grown, series), self.grown.size - 1)
        factor = np.where(self.grown[place] == series, self.factor[place], 1.0)
        more = factor > 1.0
        reach = np.where(more, upper, 0.0) * factor
        return np.where(more & free, upper - reach, lower), np.where(more & ~free, reach, upper)


def dated(
    series: pl.DataFrame, limits: pl.DataFrame, kinds: Sequence[Kind], now: Resolved, as_of_us: int, end_us: int
) -> Dated:
    """Return what changes up to the end of the horizon, and what has changed before.

    Parameters
    ----------
    series, limits, kinds
        As for `capforecast.limits.resolve`.
    now : Resolved
        Its result at as_of.
    as_of_us, end_us : int
        Last moment that is known, end of the horizon; microseconds since the epoch.
    """
    if limits.get_column("valid_from").is_null().all():
        return Dated.nothing()
    kind = by_name(kinds)
    shares = pl.DataFrame(
        [(name, one.direction == "below", one.upper) for name, one in kind.items() if one.is_share],
        schema={"kind": pl.String, "free": pl.Boolean, "whole": pl.Float64}, orient="row",
    )  # fmt: skip
    of_share = now.series.select(pl.int_range(pl.len()).alias("series"), "kind", pl.col("capacity").alias("size"))
    of_share = of_share.join(shares, on="kind", maintain_order="left")
    past = _resized(capacity_steps(series, limits, as_of_us), of_share)
    levels, sizes, begin = _to_come(series, limits, kinds, now, (as_of_us, end_us))
    sizes = sizes.join(of_share, on="series", maintain_order="left")
    sizes = sizes.with_columns(factor=pl.col("capacity") / pl.col("size")).filter(pl.col("factor") != 1.0)
    later = _changing(_of_today(levels, sizes), now)
    grown = sizes.group_by("series").agg(pl.col("factor").max()).filter(pl.col("factor") > 1).sort("series")
    return Dated(
        row=_ints(later, "row"), row_from_us=_ints(later, "from_us"), level=later.get_column("level").to_numpy(),
        series=_ints(past, "series"), from_us=_ints(past, "from_us"), size=past.get_column("capacity").to_numpy(),
        free=past.get_column("free").to_numpy(), whole=past.get_column("whole").to_numpy(),
        grown=_ints(grown, "series"), factor=grown.get_column("factor").to_numpy(), begin=_told(begin, series),
    )  # fmt: skip


def _ints(frame: pl.DataFrame, name: str) -> Ints:
    return frame.get_column(name).to_numpy().astype(np.int64)


def _resized(steps: pl.DataFrame, of_share: pl.DataFrame) -> pl.DataFrame:
    """Return the sizes of shares that changed, oldest first: series, from_us, capacity, free, whole."""
    steps = steps.join(of_share, on="series", maintain_order="left")
    new = (pl.col("capacity") != pl.col("capacity").shift().over("series")).fill_null(True)
    steps = steps.filter(new)
    always = pl.col("valid_from").dt.epoch("us").fill_null(np.iinfo(np.int64).min)
    return steps.filter(pl.len().over("series") > 1).with_columns(always.alias("from_us"))


def _to_come(
    series: pl.DataFrame, limits: pl.DataFrame, kinds: Sequence[Kind], now: Resolved, span: tuple[int, int]
) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Return thresholds and capacities at each moment within a span at which lines begin to hold.

    Only series that such a line matches are looked at. Thresholds: row, from_us, then (NULL for none);
    capacities: series, from_us, capacity; thresholds that are new: from_us, threshold_source, series.
    """
    moment = pl.col("valid_from").dt.epoch("us")
    lines = limits.with_columns(moment.alias("from_us")).filter(pl.col("from_us").is_between(*span, closed="right"))
    touched = np.zeros(series.height, bool)
    names = Names(series)
    for globs in lines.select("pattern_host", "pattern_metric", "pattern_instance").unique().iter_rows():
        touched[names.match(*globs)] = True
    some = pl.DataFrame({"series": np.flatnonzero(touched)})
    part = series.filter(pl.Series(touched))
    watched = now.thresholds.with_row_index("row").select("row", *KEY)
    levels = [pl.DataFrame(schema={"row": pl.Int64, "from_us": pl.Int64, "then": pl.Float64, "series": pl.Int64})]
    sizes = [pl.DataFrame(schema={"series": pl.Int64, "from_us": pl.Int64, "capacity": pl.Float64})]
    new = [pl.DataFrame(schema={"series": pl.Int64, "threshold_source": pl.String, "from_us": pl.Int64})]
    for from_us in sorted(set(lines.get_column("from_us"))):
        later = resolve(part, limits, kinds, from_us)
        then = later.thresholds.with_columns(some.get_column("series").gather(later.thresholds.get_column("series")))
        found = watched.join(some, on="series", maintain_order="left").join(
            then.select(*KEY, pl.col("threshold").alias("then")), on=list(KEY), how="left", maintain_order="left"
        )
        at = pl.lit(from_us, pl.Int64).alias("from_us")
        begun = then.join(watched, on=list(KEY), how="anti")
        new.append(begun.select(pl.col("series").cast(pl.Int64), pl.col("threshold_source").cast(pl.String), at))
        levels.append(found.select(pl.col("row").cast(pl.Int64), at, "then", "series"))
        sizes.append(
            pl.concat([some, later.series.select("capacity")], how="horizontal").select("series", at, "capacity")
        )
    return pl.concat(levels), pl.concat(sizes), pl.concat(new).unique(["series", "threshold_source"], keep="first")


def _told(begin: pl.DataFrame, series: pl.DataFrame) -> tuple[str, ...]:
    """Return one sentence per line that begins a threshold, and for how many series."""
    found = []
    lines = begin.group_by("threshold_source").agg(pl.col("from_us").min(), pl.col("series").min(), pl.len())
    for source, from_us, first, count in lines.sort("from_us", "threshold_source").iter_rows():
        example = " ".join(part for part in series.select("host", "metric", "instance").row(first) if part)
        found.append(
            f"{source}: this threshold begins on {format_moment(from_us)[:10]} for {count} series, such as {example}; "
            "they have no row for it before (to see it now, add a line with its level of today)"
        )
    return tuple(found)


def _of_today(levels: pl.DataFrame, sizes: pl.DataFrame) -> pl.DataFrame:
    """Tell thresholds of shares as shares of the size at as_of: row, from_us, then."""
    joined = levels.join(
        sizes.select("series", "from_us", "factor", "free", "whole"), on=["series", "from_us"], how="left",
        maintain_order="left",
    )  # fmt: skip
    then, factor, whole = pl.col("then"), pl.col("factor"), pl.col("whole")
    today = (
        pl.when(factor.is_null()).then(then).when("free").then(whole - (whole - then) * factor).otherwise(then * factor)
    )
    return joined.with_columns(today.alias("then"))


def _changing(levels: pl.DataFrame, now: Resolved) -> pl.DataFrame:
    """Return the changes of thresholds by row and time: row, from_us, level."""
    first = now.thresholds.select(
        pl.int_range(pl.len()).alias("row"), pl.col("threshold").alias("at_first"), "direction"
    )
    off = pl.when(pl.col("direction") == "below").then(-np.inf).otherwise(np.inf)
    levels = levels.join(first, on="row", maintain_order="left").with_columns(pl.coalesce("then", off).alias("level"))
    levels = levels.sort("row", "from_us")
    before = pl.col("level").shift().over("row").fill_null(pl.col("at_first"))
    return levels.filter(pl.col("level") != before)
