"""Cases of the breach bench: what is asked, what was known before the cutoff, and what came."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import polars as pl
from crossings import Past

from capforecast.grouped import Grouped, group

SECOND_US = 1_000_000
DAY_S = 86_400
ASKED = ("case_id", "series_id", "metric", "threshold", "cutoff", "horizon_s", "sustain_s")
"""Columns that a forecast may see; all others say what came, or how the case was chosen."""


def read_cases(path: Path) -> pl.DataFrame:
    """Return the cases with the half of their series: ``even`` or ``odd`` by a hash of its name."""
    cases = pl.read_parquet(path).with_columns(pl.col("dataset", "series_id", "metric").cast(pl.String))
    halves = [("even", "odd")[sha256(name.encode()).digest()[0] % 2] for name in cases.get_column("series_id")]
    return cases.with_columns(pl.Series("half", halves, pl.String))


def read_samples(directory: Path, cases: pl.DataFrame) -> pl.DataFrame:
    """Return the samples of a data set: all series of the metrics that its cases ask about."""
    names = pl.col("series_id", "metric", "unit").cast(pl.String)
    metrics = cases.get_column("metric").unique().to_list()
    return (
        pl.scan_parquet(directory / f"{cases.item(0, 'dataset')}.parquet")
        .with_columns(names)
        .filter(pl.col("metric").is_in(metrics))
        .select(host="series_id", metric="metric", unit="unit", ts="ts", value="value")
        .collect()
    )


def pasts(cases: pl.DataFrame, samples: pl.DataFrame) -> Iterator[Past | None]:
    """Yield what is known at the cutoff of each case of one data set, None where nothing is.

    Samples are averaged over the case's buckets; a past holds the buckets before the cutoff and no others.
    """
    data = group(samples)
    place = {key: s for s, key in enumerate(data.series.select("host", "metric").iter_rows())}
    averaged = {width: data.bucketed(width * SECOND_US) for width in cases.get_column("bucket_s").unique()}
    grids: dict[tuple[int, int], tuple[int, np.ndarray]] = {}
    asked = cases.select("series_id", "metric", "bucket_s", "threshold", "horizon_s", "sustain_s", "cutoff")
    for name, metric, width, threshold, horizon, sustain, cutoff in asked.iter_rows():
        series = place.get((name, metric))
        if series is None:
            yield None
            continue
        if (width, series) not in grids:
            grids[width, series] = grid(averaged[width], series)
        first, values = grids[width, series]
        known = max(int(cutoff.timestamp()) // width - first, 0)
        past = np.concatenate((values[:known], np.full(max(known - values.size, 0), np.nan)))
        told = not np.isnan(past).all()
        yield Past(past, threshold, horizon // width, max(sustain // width, 1), DAY_S // width) if told else None


def grid(data: Grouped, series: int) -> tuple[int, np.ndarray]:
    """Return the first bucket of a series and its means from there on, NaN where nothing was measured."""
    rows = slice(data.starts[series], data.starts[series + 1])
    times = data.times[rows]
    if not times.size:
        return 0, np.empty(0)
    values = np.full(times[-1] - times[0] + 1, np.nan)
    values[times - times[0]] = data.values[rows]
    return int(times[0]), values
