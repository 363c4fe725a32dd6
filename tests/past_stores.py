"""Stores with a simulated past: disks that fill, quiet hosts, limits."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

import numpy as np
import polars as pl

import capforecast
from capforecast.limits import read as read_limits
from capforecast.store import Store

DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000
END = datetime.datetime(2026, 5, 20, tzinfo=datetime.UTC)
END_US = int(END.timestamp()) * 1_000_000
DAYS = 80
HOURS = DAYS * 24


def noise(name: str) -> np.ndarray:
    """Return numbers between -1 and 1 that depend on the name alone."""
    bits = hashlib.shake_128(name.encode()).digest(2 * HOURS)
    return np.frombuffer(bits, "<u2") / 32767.5 - 1.0


def frame(host: str, metric: str, values: np.ndarray, instance: str = "") -> pl.DataFrame:
    """Return hourly samples that end at `END`; NaN is no sample."""
    ts = END_US - HOUR_US * np.arange(values.size, 0, -1)
    rows = pl.DataFrame({"ts": ts, "value": values}).filter(pl.col("value").is_not_nan())
    return rows.select(
        pl.lit(host).alias("host"), pl.lit(metric).alias("metric"), pl.lit(instance).alias("instance"),
        pl.from_epoch("ts", "us").dt.replace_time_zone("UTC"), "value",
    )  # fmt: skip


def filling(host: str, day: float) -> pl.DataFrame:
    """Return a disk that is 90 % full so many days before the end, at 1 % a day."""
    axis = np.arange(HOURS) / 24 - DAYS + day
    return frame(host, "disk_used_pct", np.clip(90.0 + axis + 0.2 * noise(host), 0.0, 100.0), "/data")


def quiet(host: str) -> pl.DataFrame:
    """Return a processor with a day of its own, far below its thresholds."""
    return frame(host, "cpu_util_pct", 30.0 + 8 * np.sin(np.arange(HOURS) / 24 * 2 * np.pi) + 3 * noise(host))


def stored(folder: Path, *frames: pl.DataFrame, limits: str = "") -> Path:
    """Return a store with these samples and limits."""
    folder.mkdir(parents=True, exist_ok=True)
    pl.concat(frames).write_parquet(folder / "samples.parquet")
    capforecast.ingest(folder / "samples.parquet", folder / "store", as_of=END)
    if limits:
        (folder / "limits.csv").write_text(limits, encoding="utf-8")
        with Store.open(folder / "store", writable=True) as store:
            store.set_limits(read_limits(folder / "limits.csv"), "limits.csv", "0" * 64)
    return folder / "store"
