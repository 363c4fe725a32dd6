"""What a run is expected to say: its series by name, what is forecast of each, the thresholds that watch it.

A million series stay in memory while they are forecast, so names that repeat are kept once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.config import Config
from capforecast.dated import Dated
from capforecast.globs import Names
from capforecast.history import Items
from capforecast.kinds import Kind, by_name, is_storage
from capforecast.limits import Resolved
from capforecast.marks import Marks
from capforecast.panel import Floats, Ints
from capforecast.schema import LABELS
from capforecast.units import factor

REPEATED = 8
"""A name that stands for so many rows on average is kept once."""

LIMIT_COLUMNS = ("threshold_name", "threshold", "threshold_source", "capacity", "lead_time_days")


@dataclass(frozen=True, slots=True)
class Expected:
    """The series of a run, one item per series and direction, and the thresholds.

    Attributes
    ----------
    series : DataFrame
        host, metric, instance, unit, kind and the labels, by host, metric and instance; the number of a
        row is the place of the series, and all that is published of series is in this order.
    sid, first_us, last_us : int64 (S,)
        Number in the store; first and last sample.
    excluded : bool (S,)
        Is it not to be forecast.
    kind : int64 (S,)
        Place in `kinds`.
    kinds : tuple of Kind
        All metric kinds.
    first_item : int64 (S + 1,)
        Items ``first_item[s]:first_item[s + 1]`` are those of series s.
    owner : int64 (I,)
        Series of each item.
    below : bool (I,)
        Do low values hurt.
    thresholds : DataFrame
        threshold_name, threshold, threshold_source, capacity and lead_time_days, by series.
    first_threshold : int64 (S + 1,)
        Thresholds of each series.
    item : int64 (R,)
        Item that each threshold watches.
    dated : Dated
        What changes with time.
    changing : bool (S,)
        Does anything of the series: a threshold to come, a size that was.
    scale : float64 (S,)
        What one of the unit of its kind is in its own unit.
    storage : bool (S,)
        Does the metric say how full something is that data are kept in.
    marks : Marks
        What of the history counts.
    """

    series: pl.DataFrame
    sid: Ints
    first_us: Ints
    last_us: Ints
    excluded: np.ndarray
    kind: Ints
    kinds: tuple[Kind, ...]
    first_item: Ints
    owner: Ints
    below: np.ndarray
    thresholds: pl.DataFrame
    first_threshold: Ints
    item: Ints
    dated: Dated
    changing: np.ndarray
    scale: Floats
    storage: np.ndarray
    marks: Marks

    def statistics(self, items: Ints) -> np.ndarray:
        """Return the rollup column that is forecast of each item."""
        names = np.array([[kind.rollup(below=below) for below in (False, True)] for kind in self.kinds], object)
        chosen: np.ndarray = names[self.kind[self.owner[items]], self.below[items].astype(np.int64)]
        return chosen

    def arrays(self, items: Ints, series: Ints) -> Items:
        """Return items as a shard sees them; `series` is the place of their series within the shard."""
        kind = self.kind[self.owner[items]]
        lower, upper, k, n = (
            np.array(column)
            for column in zip(*((one.lower, one.upper, *one.sustain) for one in self.kinds), strict=True)
        )
        scale = self.scale[self.owner[items]]
        free = np.array([one.direction == "below" for one in self.kinds])[kind]
        least, most = self.dated.bounds(
            self.owner[items], free, lower[kind].astype(np.float64) * scale, upper[kind].astype(np.float64) * scale
        )
        return Items(
            series=series,
            sign=np.where(self.below[items], -1.0, 1.0),
            statistic=self.statistics(items),
            lower=least,
            upper=most,
            k=k[kind].astype(np.int64),
            n=n[kind].astype(np.int64),
        )


def expect(
    series: pl.DataFrame, limits: Resolved, config: Config, changes: Dated | None = None, marks: Marks | None = None
) -> Expected:
    """Return what is expected of some series.

    Parameters
    ----------
    series : DataFrame
        Rows of ``store.series()``, in the order of host, metric and instance.
    limits : Resolved
        What the limits say about them.
    config : Config
        Kinds and exclusions.
    changes : Dated, optional
        What changes with time; nothing without it.
    marks : Marks, optional
        What of the history counts; all of it without them.
    """
    kinds = tuple(by_name(config.metric_kinds).values())
    kind = limits.series.get_column("kind").cast(pl.Enum([one.name for one in kinds])).to_physical().to_numpy()
    usual = np.array([one.direction == "below" for one in kinds])[kind]
    watched = limits.thresholds.get_column("series").to_numpy().astype(np.int64)
    low = (limits.thresholds.get_column("direction") == "below").to_numpy()
    # Which directions each series has: that of its kind where no threshold watches it.
    has = np.zeros((series.height, 2), bool)
    has[watched, low.astype(np.int64)] = True
    bare = ~has.any(axis=1)
    has[bare, usual[bare].astype(np.int64)] = True
    owner, below = np.nonzero(has)
    first_item = _starts(has.sum(axis=1))
    ceiling = pl.when(pl.col("upper").is_finite()).then("upper")
    scale = _scales(series, kind, kinds)
    upper = np.array([one.upper for one in kinds])[kind[watched]] * scale[watched]
    thresholds = limits.thresholds.with_columns(pl.Series("upper", upper)).select(
        *(name for name in LIMIT_COLUMNS if name != "capacity"), pl.coalesce("capacity", ceiling).alias("capacity")
    )
    changes = changes or Dated.nothing()
    changing = np.zeros(series.height, bool)
    changing[watched[changes.row]] = changing[changes.series] = True
    return Expected(
        series=lean(pl.concat([series, limits.series], how="horizontal"), ("unit", "kind", *LABELS)).select(
            "host", "metric", "instance", "unit", "kind", *LABELS
        ),
        sid=_whole(series, "sid"),
        first_us=series.get_column("first_ts").dt.epoch("us").to_numpy().astype(np.int64),
        last_us=series.get_column("last_ts").dt.epoch("us").to_numpy().astype(np.int64),
        excluded=_excluded(series, config),
        kind=kind.astype(np.int64),
        kinds=kinds,
        first_item=first_item,
        owner=owner,
        below=below.astype(bool),
        thresholds=lean(thresholds, ("threshold_name", "threshold_source")),
        first_threshold=np.searchsorted(watched, np.arange(series.height + 1)).astype(np.int64),
        item=first_item[watched] + (low & has[watched, 0]),
        dated=changes,
        changing=changing,
        scale=scale,
        storage=_storage(series),
        marks=marks or Marks.nothing(),
    )


def ranges(starts: Ints, counts: Ints) -> Ints:
    """Return the numbers of all ranges, one after the other."""
    before: Ints = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) + np.repeat(starts - before, counts)


def lean(frame: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Keep the texts of columns once where they repeat."""
    kept = []
    for column in frame.select(columns):
        words = column.drop_nulls().unique()
        if words.len() * REPEATED <= max(column.len(), REPEATED):
            kept.append(column.cast(pl.Enum(words.sort())))
    return frame.with_columns(kept)


def _starts(counts: np.ndarray) -> Ints:
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _whole(frame: pl.DataFrame, name: str) -> Ints:
    return frame.get_column(name).to_numpy().astype(np.int64)


def _storage(series: pl.DataFrame) -> np.ndarray:
    names = series.get_column("metric").cast(pl.String).unique()
    storage = [name for name in names if name is not None and is_storage(name)]
    return series.get_column("metric").cast(pl.String).is_in(storage).fill_null(False).to_numpy()


def _scales(series: pl.DataFrame, kind: Ints, kinds: Sequence[Kind]) -> Floats:
    """Return per series what one of the unit of its kind is in its own unit, 1 where they have nothing in common."""
    pairs = series.select(pl.col("unit").cast(pl.String).fill_null(""), kind=pl.Series(kind))
    distinct = pairs.unique(maintain_order=True)
    found = [factor(kinds[place].unit, unit) if kinds[place].unit and unit else 1.0 for unit, place in distinct.rows()]
    scales = distinct.with_columns(scale=pl.Series(found, dtype=pl.Float64).fill_nan(1.0))
    joined = pairs.join(scales, on=["unit", "kind"], how="left", maintain_order="left")
    return levels(joined.get_column("scale"))


def _excluded(series: pl.DataFrame, config: Config) -> np.ndarray:
    names = Names(series)
    out = np.zeros(series.height, bool)
    for rule in config.exclude:
        out[names.match(rule.host, rule.metric, rule.instance)] = True
    return out


def levels(column: pl.Series) -> Floats:
    """Return a column of numbers as floats, NaN for NULL; without copying floats that are all known."""
    out: Floats = column.cast(pl.Float64).to_numpy()
    return out
