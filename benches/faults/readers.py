"""Reads through ``latest.json`` while runs are published: every read is one run, whole.

Run: ``python benches/faults/readers.py [--publications 200] [--reads 1000]``. One process publishes again and again,
each time another number in every row of every table; readers with DuckDB, polars and pyarrow read the pointer, then
the tables it names in history, and hold all rows against each other. The exit code is 1 when a read fails or is torn.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq

from capforecast.schema import TABLES
from capforecast.store import Store
from capforecast.tables import conform

ROWS = 2_000
READ = ("breaches", "series")
START = datetime(2026, 1, 1, tzinfo=UTC)


def tables(number: int) -> dict[str, pl.DataFrame]:
    """Return tables in whose every row the run is named by its number."""
    row = {"run_id": f"run-{number:06d}", "host": "h", "metric": "m", "instance": ""}
    frame = pl.DataFrame({name: [value] * ROWS for name, value in row.items()})
    return {name: conform(frame, TABLES[name]) for name in READ}


def publish(path: Path, count: int) -> None:
    """Publish so many runs, each later than the one before."""
    with Store.open(path, writable=True) as store:
        for number in range(1, count + 1):
            moment = START + timedelta(minutes=number)
            us = int(moment.timestamp()) * 1_000_000
            run = {"run_id": f"run-{number:06d}", "run_date": moment.date(), "as_of_us": us, "run_us": us}
            store.publish(run, tables(number), {})


def with_duckdb(path: Path) -> set[str]:
    """Return the runs that rows name, read by DuckDB."""
    with duckdb.connect() as con:
        return {row[0] for row in con.execute("SELECT DISTINCT run_id FROM read_parquet(?)", [str(path)]).fetchall()}


def with_polars(path: Path) -> set[str]:
    """Return the runs that rows name, read by polars."""
    return set(pl.scan_parquet(path).select("run_id").unique().collect()["run_id"])


def with_pyarrow(path: Path) -> set[str]:
    """Return the runs that rows name, read by pyarrow."""
    return set(pq.read_table(path, columns=["run_id"], memory_map=True)["run_id"].to_pylist())


READERS: tuple[Callable[[Path], set[str]], ...] = (with_duckdb, with_polars, with_pyarrow)


def read(store: Path, reader: Callable[[Path], set[str]]) -> tuple[str, str]:
    """Read the tables of the run that the pointer names; return the run, and what is wrong."""
    told: dict[str, Any] = json.loads((store / "reports" / "latest" / "latest.json").read_bytes())
    found = [reader(store / told["path"] / f"{name}.parquet") for name in READ]
    torn = any(one != {told["run_id"]} for one in found)
    return told["run_id"], f"{told['run_id']}: {found}" if torn else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publications", type=int, default=200)
    parser.add_argument("--reads", type=int, default=1000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="capforecast-readers-") as folder:
        store = Path(folder) / "store"
        Store.create(store, created_us=0).close()
        publish(store, 1)
        writer = os.spawnl(
            os.P_NOWAIT, sys.executable, sys.executable, __file__, "--write", str(store), str(asked.publications)
        )
        done, bad, runs = Counter(), 0, set()
        begin = time.monotonic()
        while sum(done.values()) < asked.reads:
            reader = READERS[sum(done.values()) % len(READERS)]
            try:
                run, wrong = read(store, reader)
                runs.add(run)
            except Exception as error:
                wrong = f"{type(error).__name__}: {error}"
            done[reader.__name__] += 1
            if wrong:
                bad += 1
                print(json.dumps({"reader": reader.__name__, "wrong": wrong[:300]}), flush=True)
        seconds = time.monotonic() - begin
        ended, _ = os.waitpid(writer, os.WNOHANG)
        with suppress(ProcessLookupError):
            os.kill(writer, signal.SIGTERM)
        if not ended:
            os.waitpid(writer, 0)
    seen = {"reads": dict(done), "bad": bad, "runs seen": len(runs), "seconds": round(seconds, 1)}
    print(json.dumps({**seen, "writer was done before": bool(ended)}))
    return int(bad > 0)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--write"]:
        publish(Path(sys.argv[2]), int(sys.argv[3]))
        sys.exit(0)
    sys.exit(main())
