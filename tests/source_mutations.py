"""Mutations of files of every format, and what must hold of what is read of them: for the tests and the fuzz bench."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from source_files import START_S, START_US, together
from source_formats import Sample

from capforecast import registry
from capforecast.acceptance import check
from capforecast.errors import CapforecastError
from capforecast.sources import Batch, ReadOptions

SAMPLES: list[Sample] = [
    (f"web-{i % 2}", "disk_used_pct", "/vär" if i % 2 else "", "percent", START_S + 60 * i, i / 7) for i in range(3)
]
TOKENS = [
    *(bytes([n]) for n in b'"{}[]:,\n\r\\#= \t;-+.0123456789eEinuNaf\x00\x0b\x1c\x7f\x80\xff/%()'),
    b"null", b"NaN", b"Infinity", b"1e999", b"9" * 30, b"-1", b"\\ud800", b"\xe2\x80\xa8", b"\xc3\xa4", b"[" * 3000,
    b'{"a":' * 1500, b"true", b'""', b"[]", b"{}", b'"x"', b"0x1", b"1_0", b"\xd9\xa3", b"17040672000000000000",
    b"_total", b"# TYPE disk_used_pct histogram\n", b"_bucket", b"_created", b"INSERT INTO history VALUES (1,2,'3",
    b"COPY history (itemid, clock) FROM stdin;\n", b"itemid,clock,value\n", b"00:00:00 AM ", b"Average: ", b"CPU",
    b"\xff\xfe", b"\xef\xbb\xbf", b"9" * 5000, b"\xe2\x80\xae", b"../", b"\x1b[31m", b"1969-12-31", b"<script>",
    b"9999-12-31T23:59:60Z", b"'; DROP TABLE series; --", b"[[", b"]]", b"9223372036854775807", b"-62135596801",
]  # fmt: skip
LINED = {"influx", "openmetrics", "collectd"}
"""Formats in which each line that is not blank or a comment gives a row or a reject."""


def taken(path: Path, name: str) -> Batch | None:
    """Read a file and check its rows; None where it is refused as a whole."""
    batches = whole(path, name)
    if batches is None:
        return None
    found = together(batches)
    assert_acceptable(found)
    return found


def whole(path: Path, name: str) -> list[Batch] | None:
    """Read a file; None where it is refused as a whole."""
    options = ReadOptions(start_us=START_US, step_us=60_000_000, metric="m" if name == "prometheus-json" else None)
    try:
        return list(registry.load("source", name)().read(str(path), options))
    except CapforecastError:
        return None


def assert_acceptable(found: Batch) -> None:
    """Hold rows and rejects against what must hold of them, before the door and behind it."""
    checked = check(found, 2 * START_US)
    assert found.rows.height + found.rejects.height == checked.rows.height + checked.rejects.height
    assert not any(found.rows[column].null_count() for column in ("host", "metric", "ts", "value", "line"))
    assert not any(found.rejects[column].null_count() for column in found.rejects.columns)


def assert_every_line_counts(found: Batch, data: bytes, name: str) -> None:
    marked = data.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = data.decode("utf-16" if marked else "utf-8").replace("\r\n", "\n").replace("\r", "\n")
    expected = {n for n, line in enumerate(text.split("\n"), 1) if line.strip() and not line.strip().startswith("#")}
    if name == "collectd":
        # Its header may come again, where files were joined.
        expected = {n for n, line in enumerate(text.split("\n"), 1) if n in expected and line.strip()[:6] != "epoch,"}
    touched = {*found.rows["line"], *found.rejects["line"]}
    if name == "influx":
        # What ends inside of a text may leave a line that is only blank to Python.
        assert touched <= expected
    assert expected - touched <= ({1, 2} if name == "collectd" else set()), sorted(expected - touched)[:9]


def mutated(data: bytes, chosen: random.Random) -> bytes:
    """Return a file with some bytes changed, removed, doubled or put there."""
    found = bytearray(data)
    for _ in range(chosen.choice((1, 1, 1, 2, 3, 6))):
        at = chosen.randrange(len(found) + 1)
        kind = chosen.randrange(6)
        if kind == 0:
            found[at : at + chosen.randrange(1, 12)] = b""
        elif kind == 1:
            found[at:at] = chosen.choice(TOKENS)
        elif kind == 2:
            found[at : at + 1] = bytes([chosen.randrange(256)])
        elif kind == 3:
            found[at : at + chosen.randrange(1, 20)] = chosen.choice(TOKENS)
        elif kind == 4:
            start = chosen.randrange(len(found) + 1)
            found[at:at] = found[start : start + chosen.randrange(1, 60)]
        else:
            del found[at:]
    return bytes(found)


DOCUMENTS = ["prometheus-json", "otlp", "graphite", "cloudwatch", "sysstat-json", "zabbix"]
VALUES: list[Any] = [
    None, True, 0, -1, 10**400, 1.5e308, float("nan"), "", "x", "\ud800", "1_0", "9" * 40, [], [[]], [1, 2], {},
    {"a": []}, [None],
]  # fmt: skip


def grafted(value: Any, chosen: random.Random, depth: int = 0) -> Any:
    """Return a document in which a part is another value, is gone, or stands under another key."""
    if depth and (chosen.random() < 0.15 or not isinstance(value, dict | list) or not value):
        return chosen.choice(VALUES)
    if isinstance(value, list):
        at = chosen.randrange(len(value))
        return [*value[:at], grafted(value[at], chosen, depth + 1), *value[at + 1 :]]
    key = chosen.choice(sorted(value))
    if chosen.random() < 0.1:
        return {chosen.choice(sorted(value) + ["x"]) if k == key else k: v for k, v in value.items()}
    return {k: grafted(v, chosen, depth + 1) if k == key else v for k, v in value.items()}
