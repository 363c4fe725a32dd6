"""Time and peak memory of the nightly job for many series, from rollups to published report.

Usage: python benches/bench_run.py [SERIES [DAYS [DIRECTORY]]]

Simulates hourly samples of SERIES series over DAYS days, ingests them once into DIRECTORY (kept when
given, and used again), then runs `capforecast run` in a process of its own.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from capforecast.simulate import matrix

START_US = 1_760_000_400 * 1_000_000 // 3_600_000_000 * 3_600_000_000


def write_samples(path: Path, series: int, days: int) -> None:
    """Write hourly samples, one file per thousand series."""
    path.mkdir(parents=True)
    hours = days * 24
    moments = pl.Series("ts", START_US + np.arange(hours) * 3_600_000_000).cast(pl.Datetime("us", "UTC"))
    levels = matrix(series, hours, seed=11)
    for first in range(0, series, 1000):
        part = levels[first : first + 1000]
        hosts = [f"host-{first + i:07d}" for i in range(part.shape[0])]
        pl.DataFrame(
            {
                "host": pl.Series(hosts).repeat_by(hours).explode(),
                "metric": "cpu_util_pct",
                "ts": pl.concat([moments] * part.shape[0]),
                "value": part.ravel(),
            }
        ).write_parquet(path / f"samples-{first:07d}.parquet")


def child(*arguments: str) -> tuple[float, float]:
    """Run the command line; return wall seconds and peak memory of the process in MB."""
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "capforecast", *arguments])
    _, code, usage = os.wait4(process.pid, 0)
    if code:
        raise SystemExit(f"capforecast {arguments[0]} failed: {code}")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    days = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    base = Path(sys.argv[3]) if len(sys.argv) > 3 else Path(tempfile.mkdtemp(prefix="capforecast-bench-"))
    store = base / "store"
    if not store.exists():
        write_samples(base / "samples", series, days)
        seconds, memory = child("ingest", str(base / "samples"), "--store", str(store), "--quiet")
        rows = series * days * 24
        print(
            f"ingest: {rows / 1e6:.1f} M rows in {seconds:.1f} s, {rows / seconds / 1e6:.2f} M rows/s, {memory:.0f} MB"
        )
    for name in ("run", "run again"):
        seconds, memory = child("run", "--store", str(store), "--quiet")
        print(
            f"{name}: {series} series x {days} days in {seconds:.1f} s, {seconds / series * 1e3:.2f} ms per series, "
            f"peak {memory:.0f} MB"
        )
    print(f"this process: peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
