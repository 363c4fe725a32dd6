"""Rows per second of an ingest, next to a yardstick in the same process and on the same rows.

Ours: validation, sort, duplicates, samples, rollups, commit. Yardstick: polars sorts the rows, DuckDB
takes them into a table and polars writes them as one Parquet file; no validation, no rollups.
Run: ``python benches/bench_ingest.py [--shuffle] [--rows N]``.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from capforecast.acceptance import check
from capforecast.sources import REJECTS, Batch
from capforecast.store import Store

REAL = Path(__file__).parents[2] / "shared" / "datasets" / "bitbrains_faststorage.parquet"
STEP_US = 300_000_000


def simulated(rows: int) -> pl.DataFrame:
    per_series = 8640
    hosts = max(rows // per_series, 1)
    number = np.arange(hosts * per_series)
    value = np.round(50 + 20 * np.sin(number / 288 * 2 * np.pi) + np.random.default_rng(0).normal(0, 5, number.size), 2)
    return pl.DataFrame(
        {
            "host": pl.Series([f"host-{i:05d}" for i in range(hosts)]).gather(number // per_series),
            "ts": 1_700_000_000_000_000 + number % per_series * STEP_US,
            "value": value,
        }
    ).with_columns(metric=pl.lit("cpu_util_pct"), unit=pl.lit("percent"))


def load(rows: int | None) -> tuple[str, pl.DataFrame]:
    if REAL.is_file():
        frame = pl.read_parquet(REAL).select(
            pl.col("series_id").cast(pl.String).alias("host"),
            pl.col("metric", "unit").cast(pl.String),
            pl.col("ts").dt.timestamp("us"),
            "value",
        )
        name = REAL.stem
        frame = frame.head(rows) if rows else frame
    else:
        name, frame = "simulated", simulated(rows or 10_000_000)
    frame = frame.with_columns(instance=pl.lit(None, dtype=pl.String)).with_row_index("line", 1)
    return name, frame.select("host", "metric", "instance", "unit", "ts", "value", pl.col("line").cast(pl.Int64))


def ours(rows: pl.DataFrame, path: Path) -> tuple[float, float]:
    latest = int(rows["ts"].max())  # type: ignore[arg-type]
    with Store.create(path, created_us=latest) as store:
        begin = time.perf_counter()
        batch = check(Batch(rows, pl.DataFrame(schema=REJECTS)), latest)
        checked = time.perf_counter()
        result = store.append("bench", "0" * 64, [batch], ingest_id="bench", run_id="bench", as_of_us=latest)
        end = time.perf_counter()
        print(f"  {result.accepted} accepted, {result.duplicate} duplicate; validation {checked - begin:.2f} s")
    return end - begin, sum(p.stat().st_size for p in path.rglob("*") if p.is_file()) / 1e6


def yardstick(rows: pl.DataFrame, path: Path) -> float:
    path.mkdir()
    begin = time.perf_counter()
    ordered = rows.sort("metric", "host", "ts")
    with duckdb.connect(str(path / "t.duckdb")) as con:
        con.register("given", ordered.to_arrow())
        con.execute("CREATE TABLE samples AS SELECT host, metric, ts, value FROM given")
    ordered.select("host", "metric", "ts", "value").write_parquet(path / "t.parquet")
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shuffle", action="store_true", help="rows in random order")
    parser.add_argument("--by-time", action="store_true", help="rows ordered by time, as exports often are")
    parser.add_argument("--rows", type=int, help="only that many rows")
    options = parser.parse_args()
    name, rows = load(options.rows)
    if options.shuffle:
        rows = rows.sample(fraction=1.0, shuffle=True, seed=0)
    if options.by_time:
        rows = rows.sort("ts", "host", "metric")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        ours(rows.head(10_000), root / "warm")
        mine, size = ours(rows, root / "store")
        theirs = yardstick(rows, root / "yardstick")
    n = rows.height
    print(f"{name}: {n} rows")
    print(f"ours      {mine:6.2f} s  {n / mine / 1e6:6.2f} M rows/s  {size:.0f} MB")
    print(f"yardstick {theirs:6.2f} s  {n / theirs / 1e6:6.2f} M rows/s")
    print(f"ours / yardstick: {mine / theirs:.2f}")


if __name__ == "__main__":
    main()
