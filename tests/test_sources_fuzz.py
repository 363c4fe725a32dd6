"""Mutated files of every format: our errors or rows and rejects, never anything else, and no row is lost."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from source_files import START_S, START_US, together, write
from source_formats import FORMATS, Sample, with_sadf, written

from capforecast import registry
from capforecast.errors import CapforecastError
from capforecast.ingest import check
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
]  # fmt: skip
LINED = {"influx", "openmetrics", "collectd"}
"""Formats in which each line that is not blank or a comment gives a row or a reject."""
FUZZED = [name for name in FORMATS if name != "sysstat"]
"""sysstat's data files are read by another program, and its answer by the source of delimited text."""


@contextmanager
def no_longer_than(seconds: float) -> Iterator[None]:
    """Fail instead of waiting for ever."""

    def fail(_signal: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"no end after {seconds} s")

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def taken(path: Path, name: str) -> Batch | None:
    """Read a file and check its rows; None where it is refused as a whole."""
    options = ReadOptions(start_us=START_US, step_us=60_000_000, metric="m" if name == "prometheus-json" else None)
    try:
        found = together(list(registry.load("source", name)().read(str(path), options)))
    except CapforecastError:
        return None
    checked = check(found, 2 * START_US)
    assert found.rows.height + found.rejects.height == checked.rows.height + checked.rejects.height
    assert not any(found.rows[column].null_count() for column in ("host", "metric", "ts", "value", "line"))
    assert not any(found.rejects[column].null_count() for column in found.rejects.columns)
    return found


def assert_every_line_counts(found: Batch, data: bytes, name: str) -> None:
    text = data.decode().replace("\r\n", "\n").replace("\r", "\n")
    expected = {
        n for n, line in enumerate(text.split("\n"), 1) if line.strip() and not line.strip().startswith("#")
    } - ({1} if name == "collectd" else set())
    touched = {*found.rows["line"], *found.rejects["line"]}
    if name == "influx":
        # What ends inside of a text may leave a line that is only blank to Python.
        assert touched <= expected
    assert expected - touched <= ({1, 2} if name == "collectd" else set())


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


@pytest.mark.parametrize("name", DOCUMENTS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_documents_of_another_shape_give_rows_rejects_or_our_errors(tmp_path: Path, name: str, seed: int) -> None:
    chosen = random.Random(seed)
    path = Path(written(tmp_path, name, SAMPLES))
    value = json.loads(path.read_text().splitlines()[0])
    for _ in range(chosen.choice((1, 1, 2, 4))):
        value = grafted(value, chosen)
    taken(write(path, json.dumps(value)), name)


@pytest.mark.parametrize("name", FUZZED)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_mutated_files_give_rows_rejects_or_our_errors(tmp_path: Path, name: str, seed: int) -> None:
    chosen = random.Random(seed)
    path = Path(written(tmp_path, name, SAMPLES))
    data = mutated(path.read_bytes(), chosen)
    found = taken(write(path, data), name)
    if found is not None and name in LINED:
        assert_every_line_counts(found, data, name)


def test_what_sadf_writes_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_sadf(tmp_path, monkeypatch)
    chosen = random.Random(3)
    path = Path(written(tmp_path, "sysstat", SAMPLES))
    data = path.read_bytes()
    for _ in range(25):
        taken(write(path, data[:2] + mutated(data[2:], chosen)), "sysstat")


@pytest.mark.slow
@pytest.mark.parametrize("name", FUZZED)
def test_two_hundred_thousand_mutated_inputs(tmp_path: Path, name: str) -> None:
    """A twentieth of them alone in a file, the others as text in files of fifty; Parquet is never text."""
    chosen = random.Random(f"{name} 7")
    path = Path(written(tmp_path, name, SAMPLES[:2]))
    data = path.read_bytes()
    alone, together_ = (10_000, 3_800) if name != "parquet" else (200_000, 0)
    for _ in range(alone):
        with no_longer_than(60):
            taken(write(path, mutated(data, chosen)), name)
    for _ in range(together_):
        # Bytes that are no text would end the reading of all fifty.
        inputs = [mutated(data, chosen).decode(errors="ignore").encode() for _ in range(50)]
        with no_longer_than(120):
            if taken(write(path, b"\n".join(inputs)), name) is None:
                for one in inputs[:5]:
                    taken(write(path, one), name)
