"""The nightly job at three sizes: wall time, peak memory, where the time goes and how it grows.

Usage: python benches/bench_million.py [SERIES ...] [--directory DIR] [--make | --read]

Without SERIES: 10000, 100000 and 1000000. Simulates 1,440 hourly samples of each series into a store of
each size once (kept in DIR and used again; a store that was begun is gone on with), measures what reading
its rollups costs alone, then runs `capforecast run` on it; each in a process of its own. With --make nothing is
run, with --read only the reading is measured. A million series take about 25 GB of disk.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from capforecast.simulate import matrix
from capforecast.sources import REJECTS, Batch
from capforecast.store import Store
from capforecast.store.spans import BLOCK

HOURS = 1440
HOUR_US = 3_600_000_000
END_US = 1_764_547_200 * 1_000_000
"""Midnight of a Monday, where the simulated weeks end."""
START_US = END_US - HOURS * HOUR_US
PIECE = 1024
SHARD = 1024
HISTORY_DAYS = 800
STATISTIC = "p95"


def batches(first: int, count: int) -> Iterator[Batch]:
    """Yield the samples of one block of series; what a series does depends on its number alone."""
    levels = np.round(matrix(count, HOURS, seed=11 + first // BLOCK), 2)
    moments = START_US + np.arange(HOURS) * HOUR_US
    rejects = pl.DataFrame(schema=REJECTS)
    for start in range(0, count, PIECE):
        part = levels[start : start + PIECE]
        names = pl.Series("host", [f"host-{first + start + i:07d}" for i in range(part.shape[0])])
        rows = pl.DataFrame(
            {
                "host": names.gather(np.repeat(np.arange(part.shape[0], dtype=np.uint32), HOURS)),
                "ts": np.tile(moments, part.shape[0]),
                "value": part.ravel(),
                "line": np.arange(part.size) + start * HOURS,
            }
        ).with_columns(metric=pl.lit("cpu_util_pct"), instance=pl.lit(""), unit=pl.lit("percent"))
        yield Batch(rows.select("host", "metric", "instance", "unit", "ts", "value", "line"), rejects)


def make(path: Path, series: int) -> None:
    """Bring the samples into a store, one ingest for each block of series: no file is written twice."""
    with Store.open(path, writable=True) if Store.exists(path) else Store.create(path, created_us=END_US) as store:
        done = set(store.ledger().get_column("ingest_id"))
        for first in range(0, series, BLOCK):
            name = f"block-{first // BLOCK}"
            if name in done:
                continue
            sha256 = hashlib.sha256(name.encode()).hexdigest()
            store.append(
                name, sha256, batches(first, min(BLOCK, series - first)), ingest_id=name, run_id="", as_of_us=END_US
            )
            print(f"{min(first + BLOCK, series)} of {series} series are in the store", file=sys.stderr)
        there = store.series().height
    if there != series:
        raise SystemExit(f"{path} holds {there} series, not {series}: remove it")


def read(path: Path) -> None:
    """Read the rollups of all series as the shards of a run do, with one thread and with two."""
    with Store.open(path) as store:
        sids = np.sort(store.series().get_column("sid").to_numpy())
        shards = [sids[start : start + SHARD] for start in range(0, sids.size, SHARD)]

        def one(shard: np.ndarray) -> int:
            begin = END_US - HISTORY_DAYS * 24 * HOUR_US
            return len(store.rollups(shard, [STATISTIC], from_us=begin, to_us=END_US))

        one(shards[0][:1])
        for threads in (1, 2):
            begin, used = time.perf_counter(), time.process_time()
            with ThreadPoolExecutor(threads) as pool:
                rows = sum(pool.map(one, shards))
            wall, used = time.perf_counter() - begin, time.process_time() - used
            print(
                f"{sids.size:>9} series: reading alone, {threads} thread{'s' * (threads > 1)}: {wall:.1f} s wall, "
                f"{used:.1f} s of processor, {used / rows * 1e9:.1f} ns per rollup, "
                f"{used / sids.size * 1e6:.0f} us per series",
            )


class Done(NamedTuple):
    """Wall and processor seconds of a process, its peak memory in MB, and what it printed."""

    seconds: float
    processor: float
    memory: float
    printed: str


def child(*command: str, cwd: Path | None = None) -> Done:
    """Run Python in a process of its own."""
    with tempfile.TemporaryFile("w+") as printed:
        begin = time.perf_counter()
        process = subprocess.Popen([sys.executable, *command], cwd=cwd, stdout=printed)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        if status:
            raise SystemExit(f"{' '.join(command)} failed: {os.waitstatus_to_exitcode(status)}")
        printed.seek(0)
        return Done(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, printed.read())


def run(store: Path, series: int) -> tuple[Done, dict[str, float]]:
    """Run the nightly job, say and return what it took and where the time went."""
    done = child("-m", "capforecast", "run", "--store", str(store), "--quiet", "--json", "--verbose", cwd=store.parent)
    stages = json.loads(done.printed)["seconds"]
    print(
        f"{series:>9} series: run {done.seconds:.1f} s, {done.seconds / series * 1e6:.0f} us per series, "
        f"{done.processor:.0f} s of processor, peak {done.memory:.0f} MB; "
        "seconds, summed over threads: " + ", ".join(f"{name} {value:.1f}" for name, value in stages.items()),
        flush=True,
    )
    return done, stages


def prepared(directory: Path, series: int) -> Path:
    """Return the store of so many series, which is made where it is missing."""
    directory.mkdir(parents=True, exist_ok=True)
    store = directory.resolve() / f"store-{series}"
    made = child(*this(store, series), "make")
    size = sum(file.stat().st_size for file in store.rglob("*.parquet")) / 1e9
    print(
        f"{series:>9} series: store of {size:.2f} GB looked at or made in {made.seconds:.0f} s, "
        f"peak {made.memory:.0f} MB",
        flush=True,
    )
    return store


def this(store: Path, series: int) -> tuple[str, ...]:
    """Return the arguments of this script in a process of its own, all but what it is to do."""
    return str(Path(__file__).resolve()), str(series), "--directory", str(store), "--child"


def exponent(took: dict[int, float], few: int, many: int) -> float:
    """Return the power of the number of series with which time grows."""
    return math.log(took[many] / took[few]) / math.log(many / few)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()) / "capforecast-million")
    parser.add_argument("--make", action="store_true", help="make the stores and stop")
    parser.add_argument("--read", action="store_true", help="measure the reading and stop")
    parser.add_argument("--child", choices=["make", "read"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child == "make":
        return make(options.directory, *options.series)
    if options.child == "read":
        return read(options.directory)
    took: dict[int, float] = {}
    for series in sorted(options.series):
        store = prepared(options.directory, series)
        if options.make:
            continue
        done = child(*this(store, series), "read")
        print(f"{done.printed}{series:>9} series: reading alone, peak {done.memory:.0f} MB", flush=True)
        if not options.read:
            took[series] = run(store, series)[0].seconds
    for few, many in zip(sorted(took), sorted(took)[1:], strict=False):
        print(f"from {few} to {many} series: time grows with the power {exponent(took, few, many):.2f}")
    return None


if __name__ == "__main__":
    main()
