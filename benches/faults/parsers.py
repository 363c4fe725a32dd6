"""What the fuzz bench mutates: for each parser a valid file, edits of it, and what must hold of what is read."""

from __future__ import annotations

import io
import json
import os
import random
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import cache, partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from capforecast import registry
from capforecast.config import load
from capforecast.errors import CapforecastError
from capforecast.limits_csv import read as read_limits
from capforecast.sources import Batch

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from source_files import COMPRESS, together
from source_formats import FORMATS, NAMES, SADF
from source_mutations import DOCUMENTS, LINED, SAMPLES, assert_every_line_counts, grafted, mutated, whole

RISK = ("parquet", "delimited", "gzip", "zstd", "jsonl", "influx", "openmetrics", "sar", "collectd", "zabbix")
"""The parsers that come first: binary, compressed, or of a grammar of our own."""
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
[[windows]]
host = "web-*"
start = 2026-01-01T00:00:00Z
end = 2026-01-02T00:00:00Z
[[renames]]
old = "a"
new = "b"
at = 2026-01-01
"""
PERFMON = (
    '"(PDH-CSV 4.0) (W. Europe Standard Time)(-60)",'
    r'"\\A\Memory\Available MBytes","\\A\LogicalDisk(C:)\% Free Space"'
    "\r\n"
) + "".join(f'"01/0{day}/2024 01:00:00.250","{day}.5","{90 - day}"\r\n' for day in range(1, 9))
MEASURED = "host,when,used,share\n" + "".join(
    f"web-{n % 3},2024-01-0{1 + n // 3} 00:00:00,{n}.5 GiB,{10 + n}%\n" for n in range(24)
)
WORDS = (
    "", "x", "*", "-1", "0", "1e308", "1e400", "nan", "inf", "90%", "-5%", "9" * 400, "2026-02-30", "0001-01-01",
    "true", "9999-12-31T23:59:59Z", '"90d"', '"1e9d"', '"P1D"', "[2, 1]", "[]", "{}", "{a = 1}", "above", '"below"',
    '"Etc/Nowhere"', '"../../x"', "'x'", '"\\u0000"', "1979-05-27T07:32:00", "0x10", "1_000", "off", "[[a]]", '"pool"',
    '"statsforecast:X"',
)  # fmt: skip
VALUES: list[Any] = [
    None, True, 0, -1, 2**63 - 1, -(2**63), 1.5, float("nan"), float("inf"), 1e308, "", "x", "1704067200", "\0", b"",
    b"\xff\xfe", Decimal("1.5"), Decimal("9" * 30), date(2024, 1, 1), date(1, 1, 1), datetime(2024, 1, 1),
    datetime(9999, 12, 31, 23, 59, 59), time(1), timedelta(days=1), timedelta(days=-99_999), [], [1.5], {"a": 1},
]  # fmt: skip
TYPES = [
    pa.int8(), pa.uint64(), pa.float16(), pa.float32(), pa.decimal128(38, 2), pa.decimal256(70, 3), pa.timestamp("s"),
    pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("us", "+05:30"), pa.date32(), pa.date64(), pa.time32("ms"),
    pa.duration("ns"), pa.binary(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.float64()), pa.null(), pa.list_(pa.float64()), pa.map_(pa.string(), pa.int64()),
]  # fmt: skip


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes
    ----------
    name : str
        A source, or what else is read.
    file : str
        Path of the file that it reads, in a folder.
    input : function
        Gives an input by chance.
    reads : function
        Reads a file; gives its batches (none where it is no source) or None when it is refused, and raises what is
        a finding.
    lines : bool
        Several inputs can stand in one file, one after another.
    """

    name: str
    file: str
    input: Callable[[random.Random], bytes]
    reads: Callable[[Path], list[Batch] | None]
    lines: bool = False


def source(name: str) -> Parser:
    """Return the parser of a registered source."""
    edit = mutated
    if name in DOCUMENTS or name == "jsonl":
        edit = document
    elif name == "parquet":
        edit = table
    lines = name in {"delimited", "jsonl", "cloudwatch", "sar", *LINED}
    return Parser(name, FORMATS[name].name, edited(edit, name), partial(rows, name=name), lines)


@cache
def valid(name: str) -> bytes:
    """Return a file of a source; made when it is needed, for what makes it must not work before a fork."""
    return FORMATS[name].write(FORMATS[name].samples(SAMPLES))


def edited(edit: Callable[[bytes, random.Random], bytes], name: str) -> Callable[[random.Random], bytes]:
    """Return a function that edits a file of a source."""
    return lambda chosen: edit(valid(name), chosen)


def rows(path: Path, name: str) -> list[Batch] | None:
    """Read a file with a source; each of its lines must be a row or a reject."""
    if name == "sysstat":
        with_sadf(path.parent)
    batches = whole(path, name)
    if batches is None or name not in {"delimited", *LINED}:
        return batches
    found = together(batches)
    if name in LINED:
        assert_every_line_counts(found, path.read_bytes(), name)
    elif found.rows.height:
        every_line(path.read_bytes(), found.rows.height + found.rejects.height)
    return [found]


def every_line(data: bytes, count: int) -> None:
    """Hold rows and rejects of a table against its lines, where nothing can join lines or leave them out."""
    if any(mark in data for mark in (b'"', b"\r", b"#", b"\x00", b"\xff\xfe", b"\xfe\xff")):
        return
    lines = [line for line in data.decode().lstrip("\ufeff").split("\n") if line.strip()]
    if count < len(lines) - 1 and lines[0].split(",") == list(NAMES):
        raise AssertionError(f"{len(lines)} lines, but {count} rows and rejects")


def with_sadf(folder: Path) -> None:
    """Put a program before all others that stands for sadf."""
    program = folder / "programs" / "sadf"
    if not program.exists():
        program.parent.mkdir()
        program.write_text(SADF)
        program.chmod(0o755)
        os.environ["PATH"] = f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def document(data: bytes, chosen: random.Random) -> bytes:
    """Return JSON with bytes changed, or (three times in four) values of another shape."""
    if chosen.random() < 0.25:
        return mutated(data, chosen)
    lines = data.decode().splitlines()
    at = chosen.randrange(len(lines))
    value = json.loads(lines[at])
    for _ in range(chosen.choice((1, 1, 2, 4))):
        value = grafted(value, chosen)
    return "\n".join([*lines[:at], json.dumps(value), *lines[at + 1 :]]).encode(errors="surrogatepass")


def table(data: bytes, chosen: random.Random) -> bytes:
    """Return Parquet with bytes changed, or (half of the time) columns of other types and values."""
    if chosen.random() < 0.5:
        return mutated(data, chosen)
    columns: dict[str, Any] = {
        name: pa.array([sample[place] for sample in SAMPLES]) for place, name in enumerate(NAMES)
    }
    for name in chosen.sample(sorted(columns), chosen.choice((1, 1, 2, 3))):
        columns[name] = column(columns[name], chosen)
    found = list(columns.items())
    if chosen.random() < 0.1:
        found.append(chosen.choice(found))
    if chosen.random() < 0.1:
        del found[chosen.randrange(len(found))]
    sink = io.BytesIO()
    try:
        pq.write_table(pa.table([one for _, one in found], names=[name for name, _ in found]), sink)
    except (pa.ArrowException, ValueError):
        return mutated(data, chosen)
    return sink.getvalue()


def column(values: Any, chosen: random.Random) -> Any:
    """Return as many values of another type, or other values."""
    try:
        if chosen.random() < 0.5:
            return values.cast(chosen.choice(TYPES), safe=False)
        return (
            pa.array([chosen.choice(VALUES)] * len(values))
            if chosen.random() < 0.7
            else pa.array([*values.to_pylist()[1:], chosen.choice(VALUES)])
        )
    except (pa.ArrowException, OverflowError, ValueError):
        return pa.nulls(len(values), pa.string())


def reworded(text: str, chosen: random.Random) -> bytes:
    """Return text with bytes changed, or (three times in four) with other words between its signs."""
    if chosen.random() < 0.25:
        return mutated(text.encode(), chosen)
    parts = re.split(r"([,=\n])", text)
    for _ in range(chosen.choice((1, 1, 2))):
        parts[2 * chosen.randrange(len(parts) // 2 + 1)] = chosen.choice(WORDS)
    return "".join(parts).encode()


def compressed(pack: Callable[[bytes], bytes], data: bytes, chosen: random.Random) -> bytes:
    """Return compressed text with bytes changed after or (one time in four) before it was compressed."""
    if chosen.random() < 0.25:
        return pack(mutated(data, chosen))
    return mutated(pack(data), chosen)


def settings(path: Path, read: Callable[[Path], object]) -> list[Batch] | None:
    """Read settings, in which there is no sample."""
    try:
        read(path)
    except CapforecastError:
        return None
    return []


def others() -> list[Parser]:
    """Return what is no source."""
    return [
        *(
            Parser(name, f"data.csv{ending}", edited(partial(compressed, COMPRESS[ending]), "delimited"), unpacked)
            for name, ending in (("gzip", ".gz"), ("zstd", ".zst"))
        ),
        *(
            Parser(name, "data.csv", partial(mutated, text.encode()), unpacked)
            for name, text in (("perfmon", PERFMON), ("measured", MEASURED))
        ),
        Parser(
            "config",
            "capforecast.toml",
            partial(reworded, SETTINGS),
            partial(settings, read=lambda path: load(path, {}, environ={})),
        ),
        Parser("limits", "limits.csv", partial(reworded, LIMITS), partial(settings, read=read_limits)),
    ]


def unpacked(path: Path) -> list[Batch] | None:
    """Read text of a table, compressed or not."""
    return whole(path, "delimited")


_ALL = {parser.name: parser for parser in (*map(source, registry.names("source")), *others())}
PARSERS: dict[str, Parser] = {name: _ALL[name] for name in (*RISK, *(name for name in _ALL if name not in RISK))}
