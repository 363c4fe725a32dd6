"""Dated capacity of real virtual machines: used memory in percent of a size that changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from capforecast.dated import dated
from capforecast.history import History
from capforecast.limits import resolve
from capforecast.limits_csv import FRAME
from capforecast.panel import HOUR_US
from tests.source_files import SHARED

SAMPLES = SHARED / "datasets" / "bitbrains_faststorage.parquet"
SIZES = SHARED / "datasets" / "bitbrains_faststorage_capacity.parquet"
FEW = 40


def measured() -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return samples (series_id, ts, value) and sizes (series_id, ts, size) of machines resized some times."""
    name = pl.col("series_id").cast(pl.String)
    sizes = pl.read_parquet(SIZES).filter(pl.col("mem_cap_kb") > 0).select(name, "ts", size="mem_cap_kb")
    sizes = sizes.sort("series_id", "ts")
    # The first sizes of a machine that is being started are no resize of it.
    often = sizes.group_by("series_id").agg(
        (pl.col("size").log().diff().abs() > 0.01).sum().alias("steps"), pl.len().alias("lines")
    )
    chosen = often.filter(pl.col("steps") >= 1, pl.col("lines") <= FEW).select("series_id")
    samples = pl.scan_parquet(SAMPLES).filter(pl.col("metric").cast(pl.String) == "mem_used_pct")
    samples = samples.select(name, "ts", "value").filter(pl.col("value") <= 100).collect()
    return samples.join(chosen, on="series_id").sort("series_id", "ts"), sizes.join(chosen, on="series_id")


@pytest.mark.slow
@pytest.mark.skipif(not SIZES.exists(), reason="the public data sets are not here")
def test_shares_of_the_size_of_now_are_what_was_used(tmp_path: Path) -> None:
    """Rebased percents times the size at the end are the used kilobytes of every hour, resized or not."""
    samples, sizes = measured()
    sizes = sizes.sort("series_id", "ts")
    torn_hours = sizes.select("series_id", bucket=pl.col("ts").dt.epoch("us") // HOUR_US, torn=True).unique()
    hourly = (
        samples.sort("ts").join_asof(sizes.sort("ts"), on="ts", by="series_id", check_sortedness=False)
        .with_columns(bucket=pl.col("ts").dt.epoch("us") // HOUR_US, used=pl.col("value") * pl.col("size") / 100)
        .group_by("series_id", "bucket").agg(pl.col("value", "used").max())
        .join(torn_hours, on=["series_id", "bucket"], how="left")
        .sort("series_id", "bucket")
    )  # fmt: skip
    ids = hourly.get_column("series_id").unique(maintain_order=True)
    as_of_us = (int(hourly["bucket"].max()) + 1) * HOUR_US
    lines = sizes.with_row_index("line").select(
        pl.col("series_id").alias("pattern_host"), pl.lit("mem_used_pct").alias("pattern_metric"),
        pl.lit("*").alias("pattern_instance"), pl.col("size").alias("capacity"),
        pl.col("ts").cast(pl.Datetime("us", "UTC")).alias("valid_from"), pl.col("line").cast(pl.Int64),
    )  # fmt: skip
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in FRAME.items() if name not in lines.columns]
    limits = lines.with_columns(missing).select(list(FRAME))
    series = pl.DataFrame({"host": ids}).with_columns(
        metric=pl.lit("mem_used_pct"), instance=pl.lit(""), unit=pl.lit("percent")
    )
    now = resolve(series, limits, (), as_of_us)
    found = dated(series, limits, (), now, as_of_us, as_of_us)
    counts = hourly.group_by("series_id", maintain_order=True).len().get_column("len").to_numpy().astype(np.int64)
    rollups = History(
        np.append(0, np.cumsum(counts)), hourly["bucket"].to_numpy(), {"max": hourly["value"].to_numpy()}, HOUR_US
    )
    rebased = found.rebased(rollups, np.arange(ids.len())).statistics["max"]
    size = np.repeat(now.series.get_column("capacity").to_numpy(), counts)
    used, torn = hourly["used"].to_numpy(), hourly["torn"].fill_null(False).to_numpy()
    raw = np.abs(hourly["value"].to_numpy() * size / 100 - used) / np.maximum(used, 1.0)
    left = np.abs(rebased * size / 100 - used) / np.maximum(used, 1.0)

    assert ids.len() >= 20
    assert raw.max() > 0.5
    assert left[~torn].max() < 1e-9
    assert np.median(left[torn]) < 0.05
    # Never more than was used, so that a resize can make no breach.
    assert (rebased * size / 100 <= used * (1 + 1e-9) + 1e-9).all()
