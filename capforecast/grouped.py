"""Samples of a frame as flat arrays: series s owns the rows ``starts[s]:starts[s + 1]``, in order of time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from capforecast.errors import DataError, SchemaError
from capforecast.panel import Floats, Ints

KEYS = ("host", "metric", "instance")


@dataclass(frozen=True, slots=True)
class Grouped:
    """Values of many series at irregular or regular times.

    Attributes
    ----------
    series : DataFrame
        host, metric, instance and unit, sorted; one row per series.
    starts : int64 (S + 1,)
        Rows of each series.
    times : int64 (N,)
        Microseconds since the epoch, or numbers of buckets.
    values : float64 (N,)
        Finite values.
    """

    series: pl.DataFrame
    starts: Ints
    times: Ints
    values: Floats

    def bucketed(self, width: int) -> Grouped:
        """Return the means of the buckets of some width; times are then numbers of buckets since the epoch."""
        bucket = self.times // width
        owner = np.repeat(np.arange(self.starts.size - 1), np.diff(self.starts))
        fresh = np.ones(bucket.size, bool)
        fresh[1:] = (bucket[1:] != bucket[:-1]) | (owner[1:] != owner[:-1])
        first = np.flatnonzero(fresh)
        counts = np.diff(np.append(first, bucket.size))
        means = np.add.reduceat(self.values, first) / counts if first.size else np.empty(0)
        starts = np.searchsorted(owner[first], np.arange(self.starts.size)).astype(np.int64)
        return Grouped(self.series, starts, bucket[first], means)


def group(frame: pl.DataFrame, *, before_us: int | None = None) -> Grouped:
    """Sort a frame of samples into series.

    Parameters
    ----------
    frame : DataFrame
        host, metric, ts (Datetime, Date, or whole microseconds) and value; instance and unit are optional.
    before_us : int, optional
        Samples at or after this moment are left out; their series stay.

    Raises
    ------
    SchemaError
        A column is missing or of another type.
    DataError
        There is no series.

    Notes
    -----
    Rows whose value is not a finite number carry no information and are left out; of several values at
    one time the largest stays, as in the store.
    """
    missing = [name for name in ("host", "metric", "ts", "value") if name not in frame.columns]
    if missing:
        raise SchemaError(
            "samples must have the columns host, metric, ts and value",
            got=f"{frame.columns} without {missing}", do=f"Rename with --map {missing[0]}=YOUR_COLUMN",
        )  # fmt: skip
    kind = frame.schema["ts"]
    if not (kind.is_temporal() or kind.is_integer()) or not frame.schema["value"].is_numeric():
        raise SchemaError("ts must be a time and value a number", got=f"{kind} and {frame.schema['value']}")
    moment = pl.col("ts") if kind.is_integer() else pl.col("ts").cast(pl.Datetime("us")).dt.epoch("us")
    names = [
        pl.col(name).cast(pl.String).fill_null("") if name in frame.columns else pl.lit("").alias(name)
        for name in (*KEYS, "unit")
    ]
    rows = frame.select(*names, moment.cast(pl.Int64).alias("ts"), pl.col("value").cast(pl.Float64))
    series = rows.group_by(KEYS).agg(pl.col("unit").max()).sort(KEYS)
    if series.is_empty():
        raise DataError("there must be at least one sample", got="an empty table")
    kept = rows.filter(pl.col("value").is_finite() & pl.col("ts").is_not_null())
    if before_us is not None:
        kept = kept.filter(pl.col("ts") < before_us)
    index = series.select(*KEYS).with_row_index("series")
    kept = (
        kept.join(index, on=KEYS, how="left")
        .select("series", "ts", "value")
        .sort("series", "ts", "value")
        .unique(["series", "ts"], keep="last", maintain_order=True)
    )
    starts = kept.get_column("series").search_sorted(np.arange(series.height + 1)).to_numpy()
    return Grouped(
        series,
        starts.astype(np.int64),
        np.array(kept.get_column("ts"), np.int64),
        np.array(kept.get_column("value"), np.float64),
    )
