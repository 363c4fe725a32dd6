"""The table of speed and memory of the README, by one command: this machine, one run, as Markdown.

Usage: python benches/bench_speed.py [SERIES ...] [--directory DIR] [--nights N] [--peer-series N]

Without SERIES: 10000, 100000 and 1000000, whose stores are made once in DIR (25 GB for a million). The nights after the
first are measured on the second largest of them, or the only one. A million series take about half an hour,
most of it to make the store; 10000 100000 take five minutes. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

from bench_forecast import measured
from bench_million import Done, exponent, prepared, run
from bench_second_night import engine, last_of

Row = tuple[str, str, str]


def machine() -> str:
    """Name the processor."""
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return (
        f"{os.cpu_count()} cores of {names[0] if names else platform.processor()}, Python {platform.python_version()}"
    )


def per_series(peers: int) -> list[Row]:
    """Measure the forecast of a series, one thread, warm, beside statsforecast in the same process."""
    found = measured(1000, peers)
    rows = []
    for what, key in (
        ("hourly forecast of a week: 10 rolling origins, 9 quantiles, breach probabilities", "hourly 168"),
        ("whole nightly forecast of a series, 1,440 hours, 90 days ahead, two thresholds, patterns", "nightly"),
    ):
        beside = "; ".join(
            f"{name}: {found[name] * 1e3:,.0f} ms, {found[name] / found[key]:,.0f}x"
            for name in ("AutoETS(24)", "MSTL([24, 168])")
        )
        rows.append((what, f"{found[key] * 1e3:.3f} ms", beside))
    return rows


def fleets(directory: Path, sizes: list[int]) -> list[Row]:
    """Measure the nightly run of fleets, from rollups to the published report."""
    rows, took = [], {}
    done: Done
    for few, size in zip([None, *sizes], sizes, strict=False):
        done, stages = run(prepared(directory, size), size)
        took[size] = done.seconds
        spent = ", ".join(
            f"{name} {stages[name]:.0f}"
            for name in ("read", "panel", "kernels", "breach", "learn", "tables", "write", "report")
        )
        grows = "" if few is None else f"grows with the power {exponent(took, few, size):.2f}; "
        rows.append(
            (
                f"`run` of {size:,} series x 1,440 hours",
                f"{done.seconds:.0f} s, peak {done.memory / 1000:.1f} GB",
                f"{grows}thread seconds: {spent}",
            )
        )
    return rows


def nights(store: Path, count: int) -> list[Row]:
    """Measure a night that uses forecasts which still hold, beside one that fits every series."""
    with tempfile.TemporaryDirectory(dir=store.parent) as folder:
        warm, full = last_of(store, Path(folder), count, "")
    return [
        (
            f"night {count} of {store.name.rpartition('-')[2]} series, forecasts that hold used again",
            f"{warm['all']:.0f} s",
            f"fitting all: {full['all']:.0f} s, {full['all'] / warm['all']:.1f}x "
            f"(by processor time {full['processor'] / warm['processor']:.1f}x, the engine alone "
            f"{engine(full) / engine(warm):.1f}x)",
        )
    ]


def starts() -> list[Row]:
    """Measure the start of the command line, warming up and forecasts on demand."""
    script = Path(__file__).with_name("bench_start.py")
    # Its exit code tells of bars that were missed; the table shows the figures as they are.
    lines = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False).stdout
    took = {line["what"]: line for line in map(json.loads, lines.splitlines()) if "median_ms" in line}
    names = {
        "--help": "`--help`",
        "forecast of a host's metric, demo store": "`forecast HOST METRIC`, kernels kept",
        "kernels of that forecast, loaded": "its kernels, loaded",
        "warmup, first": "`warmup`, or the first use: kernels compiled, once",
    }
    beside = {"--help": f"bare Python: {took['bare python']['median_ms']:.0f} ms"}
    return [
        (name, f"{took[key]['median_ms'] / 1e3:.2f} s", beside.get(key, ""))
        for key, name in names.items()
        if key in took
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("series", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--directory", type=Path, default=Path(tempfile.gettempdir()) / "capforecast-million")
    parser.add_argument("--nights", type=int, default=4)
    parser.add_argument("--peer-series", type=int, default=8)
    options = parser.parse_args()
    sizes = sorted(options.series)
    rows = per_series(options.peer_series)
    rows += fleets(options.directory, sizes)
    rows += nights(prepared(options.directory, sizes[-2] if len(sizes) > 1 else sizes[0]), options.nights)
    rows += starts()
    print(f"\n{machine()}\n\n| what | capforecast | beside it |\n|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
