"""Mutated settings, limits and sources: only errors of the package's own, no hang, bounded memory, no row lost.

Run: ``python benches/faults/fuzz.py [--inputs 20000] [--only config] [--seed N]``. Each input is a valid file with
random edits, and an input that does something else than be read or be refused is kept in ``--keep`` for a test.
Of what is read every line must be a row or a reject. The exit code is 1 when anything is otherwise.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import random
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.config import load
from capforecast.errors import CapforecastError
from capforecast.limits_csv import read as read_limits
from capforecast.sources import ReadOptions
from capforecast.sources.recognise import read

MOST_SECONDS = 10
SPECIAL = (
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"'", b'"', b"[[", b"]]", b"{", b"}", b"1e400", b"-", b"nan", b"\\", b"\r",
    b"\n", b",", b";", b"\t", b"=", b"9" * 5000, b"\xe2\x80\xae", b"../", b"[" * 2000, b"\x1b[31m", b"1969-12-31",
    b"9999-12-31T23:59:60Z", b"<script>", b"'; DROP TABLE series; --", b"\xc3\x28",
)  # fmt: skip
TABLE = "host,metric,instance,unit,ts,value\n" + "".join(
    f"web-{i % 3},cpu_util_pct,,percent,{1_704_067_200 + 60 * i},{i % 17}.5\n" for i in range(12)
)
LINES = "".join(
    json.dumps({"ts": 1_704_067_200 + i, "host": "h", "metric": "cpu", "value": i, "x": [1, {"y": None}]}) + "\n"
    for i in range(12)
)
LIMITS = (
    "host,metric,instance,capacity,threshold_name,threshold,direction,lead_time_days,valid_from,team\n"
    "*,cpu_*,,100,critical,90%,above,30,2026-01-01,a\nweb-1,disk,/var,1e12,full,1e12,,,,\n"
)
SETTINGS = """[store]
path = "store"
[run]
horizon = "90d"
threads = 2
[ingest]
timezone = "Europe/Berlin"
[[sources]]
location = "x"
map = {host = "vm"}
[[exclude]]
host = "*"
[[kinds]]
name = "mine"
thresholds = {critical = 90}
sustain = [2, 3]
"""


def table() -> bytes:
    """Return a small Parquet file."""
    frame = pl.DataFrame(
        {
            "host": ["a", "b"] * 20,
            "metric": ["cpu"] * 40,
            "ts": np.arange(40) * 60_000_000 + 1_704_067_200_000_000,
            "value": np.arange(40) / 7,
        }
    ).with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC")))
    sink = io.BytesIO()
    pq.write_table(frame.to_arrow().cast(pa.schema([
        ("host", pa.string()), ("metric", pa.string()), ("ts", pa.timestamp("us", "UTC")), ("value", pa.float64()),
    ])), sink)  # fmt: skip
    return sink.getvalue()


def taken(path: Path, form: str) -> tuple[int, int]:
    """Read a source; return rows and rejects."""
    rows = rejects = 0
    for batch in read(str(path), ReadOptions(format=form, metric="m")):
        rows, rejects = rows + batch.rows.height, rejects + batch.rejects.height
    return rows, rejects


def delimited(path: Path) -> None:
    """Hold a table's rows and rejects against its lines, where quotes and other line ends cannot join them."""
    rows, rejects = taken(path, "delimited")
    data = path.read_bytes()
    if data[:2] in (b"\x1f\x8b", b"\xff\xfe", b"\xfe\xff") or any(
        mark in data for mark in (b'"', b"\r", b"#", b"\x00")
    ):
        return
    try:
        lines = [line for line in data.decode().lstrip("\ufeff").split("\n") if line.strip()]
    except UnicodeDecodeError:
        return
    if rows + rejects < len(lines) - 1 and rows and lines[0].count(",") == TABLE.split("\n")[0].count(","):
        raise AssertionError(f"{len(lines)} lines, but {rows} rows and {rejects} rejects")


TARGETS: dict[str, tuple[list[bytes], Callable[[Path], Any]]] = {
    "config": ([SETTINGS.encode()], lambda path: load(path, {}, environ={})),
    "limits": ([LIMITS.encode()], read_limits),
    "delimited": ([TABLE.encode(), gzip.compress(TABLE.encode(), mtime=0)], delimited),
    "jsonl": ([LINES.encode()], lambda path: taken(path, "jsonl")),
    "parquet": ([table()], lambda path: taken(path, "parquet")),
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Return bytes with one to five edits."""
    out = bytearray(data)
    for _ in range(chance.randint(1, 5)):
        at, length = chance.randrange(len(out) + 1), min(int(chance.expovariate(0.2)), 200)
        kind = chance.randrange(6)
        if kind == 0:
            out[at : at + 1] = bytes([chance.randrange(256)])
        elif kind == 1:
            del out[at : at + length]
        elif kind == 2:
            out[at:at] = chance.choice(SPECIAL)
        elif kind == 3:
            out[at:at] = out[at : at + length]
        elif kind == 4 and at < len(out):
            out[at] ^= 1 << chance.randrange(8)
        else:
            out = out[:at] if chance.random() < 0.3 else out
    return bytes(out)


def late(number: int, frame: object) -> None:
    """Turn the alarm into an error that is found."""
    raise TimeoutError(f"more than {MOST_SECONDS} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=20_000, help="inputs for each target")
    parser.add_argument("--only", choices=TARGETS)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**9))
    parser.add_argument("--keep", type=Path, help="directory for inputs that are findings")
    asked = parser.parse_args()
    print(json.dumps({"seed": asked.seed}), flush=True)
    signal.signal(signal.SIGALRM, late)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="capforecast-fuzz-") as folder:
        for name, (seeds, work) in TARGETS.items():
            if asked.only not in (None, name):
                continue
            chance, ends, slowest = random.Random(f"{asked.seed} {name}"), Counter(), 0.0
            path, begin = Path(folder) / f"{name}.input", time.monotonic()
            for number in range(asked.inputs):
                data = mutated(chance.choice(seeds), chance)
                path.write_bytes(data)
                signal.alarm(MOST_SECONDS)
                started = time.monotonic()
                try:
                    work(path)
                    ends["read"] += 1
                except CapforecastError:
                    ends["refused"] += 1
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    kind = f"{type(error).__name__}: {str(error)[:160]}"
                    ends["findings"] += 1
                    bad += 1
                    print(json.dumps({"target": name, "input": number, "finding": kind}), flush=True)
                    if asked.keep is not None:
                        asked.keep.mkdir(exist_ok=True)
                        (asked.keep / f"{name}-{number}").write_bytes(data)
                finally:
                    signal.alarm(0)
                slowest = max(slowest, time.monotonic() - started)
            rate = asked.inputs / (time.monotonic() - begin)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            told = {"target": name, "inputs": asked.inputs, **ends, "per_s": round(rate)}
            print(json.dumps({**told, "slowest_s": round(slowest, 2), "peak_mb": peak}), flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
