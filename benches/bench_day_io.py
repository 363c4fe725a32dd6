"""The bytes that taking one more day costs: read and written, beside the sizes of the day and of the store.

Usage: python benches/bench_day_io.py [SERIES ...] [--directory DIR]

Without SERIES: 10000. Works on a copy of the store of 60 days of hourly samples that `bench_million.py` makes in DIR
(100000 series are 5 GB with it), and takes the next days from Parquet files with `capforecast ingest`, each in a
process of its own, then the last file again. Bytes are what the process asked the system for (`rchar` and `wchar` of
/proc/self/io), whatever the page cache spared the disk, and files are those of samples and rollups by what became of
them.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from bench_million import END_US, HOUR_US, PIECE, child, prepared

from capforecast.simulate import matrix

DAYS = 3
INGEST = """import json, sys
from capforecast.cli import main
def counts():
    lines = open("/proc/self/io").read().split("\\n")
    return {name: int(value) for name, value in (line.split(": ") for line in lines if line)}
import capforecast.cli.intake, capforecast.ingest, capforecast.sources.parquet, capforecast.store
before = counts()
try:
    main(sys.argv[1:], prog_name="capforecast")
except SystemExit as done:
    after = counts()
    print(json.dumps({"code": done.code, **{name: after[name] - before[name] for name in ("rchar", "wchar")}}))
"""


def write_day(path: Path, series: int, day: int) -> None:
    """Write 24 hours so many days after the end of the store, ordered by time as a collector would."""
    levels = np.concatenate(
        [matrix(min(PIECE, series - first), 24, seed=first + day) for first in range(0, series, PIECE)]
    )
    hosts = pl.Series("host", [f"host-{number:07d}" for number in range(series)])
    rows = pl.DataFrame(
        {
            "host": hosts.gather(np.tile(np.arange(series, dtype=np.uint32), 24)),
            "ts": np.repeat(END_US + (np.arange(24) + 24 * day) * HOUR_US, series),
            "value": np.round(levels.T.ravel(), 2),
        }
    )
    rows = rows.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")), metric=pl.lit("cpu_util_pct"))
    rows.write_parquet(path)


def data_files(store: Path) -> dict[str, tuple[int, int]]:
    """Return size and inode of each data file of a store."""
    return {
        str(path.relative_to(store)): (path.stat().st_size, path.stat().st_ino)
        for family in ("samples", "rollups")
        for path in (store / family).rglob("*.parquet")
    }


def total(files: dict[str, tuple[int, int]], names: set[str]) -> str:
    """Return how many files these are, and how large together."""
    return f"{len(names)} ({sum(files[name][0] for name in names) / 1e6:.1f} MB)"


def measured(source: Path, folder: Path, series: int) -> None:
    """Take a day into a copy of a store, twice, and print what it cost."""
    store = Path(shutil.copytree(source, folder / "store"))
    before = data_files(store)
    size = sum(size for size, _ in before.values())
    print(f"{series:>9} series: store {size / 1e6:.1f} MB in {len(before)} files")
    for day in (*range(DAYS), DAYS - 1):
        file = folder / f"{day}.parquet"
        turn = f"day {day + 1}{' again' if file.exists() else ''}"
        write_day(file, series, day)
        done = child("-c", INGEST, "ingest", str(file), "--store", str(store), "--as-of", "2026-01-01", "--quiet")
        told = json.loads(done.printed.splitlines()[-1])
        after = data_files(store)
        kept = {name for name in before if after.get(name) == before[name]}
        print(
            f"{series:>9} series, {turn} ({file.stat().st_size / 1e6:.1f} MB): read {told['rchar'] / 1e6:.1f} MB, "
            f"written {told['wchar'] / 1e6:.1f} MB, {told['wchar'] / size:.1%} of the store; files kept "
            f"{total(before, kept)}, replaced or gone {total(before, set(before) - kept)}, new "
            f"{total(after, set(after) - kept)}; {done.seconds:.1f} s, exit {told['code']}, peak {done.memory:.0f} MB",
            flush=True,
        )
        before = after


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="*", type=int, default=[10_000])
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()) / "capforecast-million")
    asked = parser.parse_args()
    for series in asked.series:
        source = prepared(asked.directory, series)
        with tempfile.TemporaryDirectory(prefix="capforecast-day-", dir=asked.directory) as folder:
            measured(source, Path(folder), series)


if __name__ == "__main__":
    main()
