"""Judging past predictions: seconds and peak memory of the nights of one store, with what they judged.

Usage: python benches/bench_record.py [SERIES] [--directory DIR]

Takes the store of `bench_million.py` (made if it is not there) of SERIES, 50000 by default, so 100,000 breach rows.
Runs the nightly job 30 days and 7 days before the end and at the end, each in a process of its own: the last one
judges the predictions for 30 days of the first and those for 7 days of the second.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import polars as pl
from bench_million import END_US, HOUR_US, child, make

from capforecast.store import scan_published
from capforecast.times import format_moment


def night(store: Path, days_before: int) -> None:
    """Run one night and say what its judging took and found."""
    moment = format_moment(END_US - days_before * 24 * HOUR_US)
    seconds, _, memory, printed = child(
        "-m", "capforecast", "run", "--store", str(store), "--as-of", moment, "--quiet", "--json", "--verbose"
    )
    facts = json.loads(printed)
    record = scan_published(store, facts["run_id"])["record"].filter(pl.col("p_range") == "all").collect()
    judged = int(record.get_column("predictions").sum())
    print(
        f"{days_before:>3} days before the end: run {seconds:.1f} s, peak {memory:.0f} MB, of it judging "
        f"{facts['seconds']['judge']:.1f} s; judged up to here {judged}. {facts['record']}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="?", type=int, default=50_000)
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()) / "capforecast-million")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    store = options.directory.resolve() / f"store-{options.series}"
    make(store, options.series)
    for days_before in (30, 7, 0):
        night(store, days_before)


if __name__ == "__main__":
    main()
