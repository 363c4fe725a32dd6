"""Parquet: types, refusals before any data, damage."""

from __future__ import annotations

import datetime as dt
import gzip
import io
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_files import START_S, START_US, load, together, write

from capforecast.errors import ConfigError, SchemaError, SourceError
from capforecast.sources import ReadOptions, parquet

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
COUNT = 5
EXPECTED = [START_US + i * 1_000_000 for i in range(COUNT)]


def store(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def long(ts: pa.Array, value: pa.Array | None = None, **others: Any) -> dict[str, Any]:
    values = pa.array([float(i) for i in range(COUNT)]) if value is None else value
    return {"host": ["a"] * COUNT, "metric": ["m"] * COUNT, "ts": ts, "value": values, **others}


@pytest.mark.parametrize("unit", list(PER_SECOND))
@pytest.mark.parametrize("zone", [None, "UTC", "+02:00", "America/New_York"])
def test_timestamps_of_every_unit_and_zone(tmp_path: Path, unit: str, zone: str | None) -> None:
    counts = [(START_S + i) * PER_SECOND[unit] for i in range(COUNT)]
    path = store(tmp_path / "a.parquet", long(pa.array(counts, type=pa.timestamp(unit, zone))))
    assert load(path).rows["ts"].to_list() == EXPECTED
    shift = -3_600_000_000 if zone is None else 0
    assert [us + shift for us in EXPECTED] == load(path, timezone="Europe/Berlin").rows["ts"].to_list()


@pytest.mark.parametrize("unit", list(PER_SECOND))
@pytest.mark.parametrize("kind", [pa.int64(), pa.uint64(), pa.float64(), pa.string(), pa.large_string()])
def test_numbers_and_text_are_read_as_times_by_size(tmp_path: Path, unit: str, kind: pa.DataType) -> None:
    counts = pa.array([(START_S + i) * PER_SECOND[unit] for i in range(COUNT)]).cast(kind, safe=False)
    assert load(store(tmp_path / "a.parquet", long(counts))).rows["ts"].to_list() == EXPECTED


def test_dates_text_and_int96_are_times(tmp_path: Path) -> None:
    day = dt.date(2024, 1, 1)
    for days in (pa.array([day] * COUNT, type=pa.date32()), pa.array([day] * COUNT, type=pa.date64())):
        assert load(store(tmp_path / "a.parquet", long(days))).rows["ts"].to_list() == [START_US] * COUNT
    text = pa.array(["2024-01-01T00:00:00Z"] * COUNT).dictionary_encode()
    assert load(store(tmp_path / "a.parquet", long(text))).rows["ts"].to_list() == [START_US] * COUNT
    far = pa.array([dt.datetime(3000, 1, 1)] * COUNT, type=pa.timestamp("us"))
    path = store(tmp_path / "a.parquet", long(far), use_deprecated_int96_timestamps=True)
    assert load(path).rows["ts"].to_list() == [32_503_680_000_000_000] * COUNT


@pytest.mark.parametrize(
    "kind",
    [pa.int8(), pa.uint32(), pa.int64(), pa.float16(), pa.float32(), pa.decimal128(9, 2), pa.string()],
)
def test_values_of_every_number_type_become_float64(tmp_path: Path, kind: pa.DataType) -> None:
    cells = [Decimal(i) for i in range(COUNT)] if pa.types.is_decimal(kind) else list(range(COUNT))
    if pa.types.is_string(kind):
        cells = [f" {i}.0" for i in range(COUNT)]
    if kind == pa.float16():
        cells = [np.float16(i) for i in range(COUNT)]
    ts = pa.array(EXPECTED, type=pa.timestamp("us", "UTC"))
    found = load(store(tmp_path / "a.parquet", long(ts, pa.array(cells, type=kind))))
    assert found.rows["value"].to_list() == [0.0, 1.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
)
def test_names_of_every_text_type_and_whole_numbers(tmp_path: Path, kind: pa.DataType) -> None:
    names = pa.array(["a", " b ", "", None, "e"])
    columns = {
        "series_id": names.cast(kind),
        "ts": pa.array(EXPECTED, type=pa.timestamp("us", "UTC")),
        "cpu [%]": [1.0] * COUNT,
        "device": [1, 2, 3, 4, 5],
    }
    found = load(store(tmp_path / "a.parquet", columns))
    assert found.rows.select("host", "instance").rows() == [("a", "1"), ("b", "2"), ("e", "5")]
    assert found.rejects.select("line", "reason").rows() == [(3, "host is empty"), (4, "host is empty")]


def test_empty_cells_are_rejects_with_row_and_cells(tmp_path: Path) -> None:
    ts = pa.array([EXPECTED[0], None, EXPECTED[2], 2**62, EXPECTED[4]], type=pa.timestamp("ms", "UTC"))
    value = pa.array([1.0, 2.0, None, 4.0, float("nan")])
    found = load(store(tmp_path / "a.parquet", long(ts, value)))
    assert found.rows["line"].to_list() == [1, 5]
    assert (found.rejects.select("line", "reason").rows()) == [
        (2, "time is empty"),
        (3, "value is empty"),
        (4, "time is out of range"),
    ]
    assert found.rejects["raw"][0] == "host='a', metric='m', ts=None, value=2.0"


def test_a_wide_file_gives_a_metric_for_each_column_of_numbers(tmp_path: Path) -> None:
    columns = {
        "time": pa.array(EXPECTED[:2], type=pa.timestamp("us")),
        "cpu.user": [1.0, 2.0],
        "up": [True, False],
        "mem": pa.array([3, None]),
        "tags": [[1], [2]],
    }
    found = load(store(tmp_path / "web.parquet", columns))
    assert found.rows.select("metric", "value", "line").rows() == [
        ("cpu_user", 1.0, 1),
        ("mem", 3.0, 1),
        ("cpu_user", 2.0, 2),
    ]
    assert found.rejects.is_empty()


def test_rows_without_time_get_start_and_step(tmp_path: Path) -> None:
    path = store(tmp_path / "a.parquet", {"cpu": [1.0, 2.0, 3.0]})
    with pytest.raises(SchemaError, match="--start TIME and --step"):
        load(path)
    found = load(path, start_us=START_US, step_us=1_000_000)
    assert EXPECTED[:3] == found.rows["ts"].to_list()


@pytest.mark.parametrize(
    ("name", "cells", "message"),
    [
        ("value", [[1.0]] * COUNT, "'value' must hold numbers.*list"),
        ("value", [True] * COUNT, "'value' must hold numbers.*bool"),
        ("host", [{"x": 1}] * COUNT, "'host' must hold text.*struct"),
        ("host", [1.5] * COUNT, "'host' must hold text.*double"),
        ("ts", [True] * COUNT, "'ts' must hold times.*bool"),
        ("ts", [dt.time(1)] * COUNT, "'ts' must hold times.*time64"),
    ],
)
def test_types_that_cannot_hold_a_column_are_refused(tmp_path: Path, name: str, cells: list[Any], message: str) -> None:
    columns = long(pa.array(EXPECTED, type=pa.timestamp("us")))
    with pytest.raises(SchemaError, match=message):
        load(store(tmp_path / "a.parquet", columns | {name: cells}))


def test_doubled_columns_and_unknown_zones_are_refused(tmp_path: Path) -> None:
    ts = pa.array(EXPECTED, type=pa.timestamp("us"))
    table = pa.Table.from_arrays([ts, pa.array([1.0] * COUNT), pa.array([2.0] * COUNT)], names=["ts", "value", "value"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(SchemaError, match="'value' twice"):
        load(tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="--timezone"):
        load(store(tmp_path / "b.parquet", long(ts)), timezone="Nowhere")


def test_batches_keep_order_and_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = {
        "host": pa.array([f"h{i % 3}" for i in range(1000)]).dictionary_encode(),
        "ts": pa.array([START_US + i for i in range(1000)], type=pa.timestamp("us", "UTC")),
        "value": [float(i) for i in range(1000)],
    }
    path = store(tmp_path / "a.parquet", columns, row_group_size=300)
    monkeypatch.setattr(parquet, "BATCH_ROWS", 70)
    batches = list(parquet.Parquet().read(str(path), ReadOptions(chunk_rows=140)))
    assert max(batch.rows.height for batch in batches) <= 140
    rows = together(batches).rows
    assert (list(range(1, 1001)), [float(i) for i in range(1000)]) == (rows["line"].to_list(), rows["value"].to_list())


def test_a_name_with_brackets_is_that_file(tmp_path: Path) -> None:
    for name, host in (("a[1].parquet", "right"), ("a1.parquet", "wrong"), ("*.parquet", "star")):
        columns = long(pa.array(EXPECTED, type=pa.timestamp("us")))
        store(tmp_path / name, columns | {"host": [host] * COUNT})
    assert load(tmp_path / "a[1].parquet").rows["host"][0] == "right"
    assert load(tmp_path / "*.parquet").rows["host"][0] == "star"


def test_bombs_are_refused_by_the_footer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store(
        tmp_path / "a.parquet",
        {"ts": pa.array([START_US] * 100_000, type=pa.timestamp("us")), "value": [1.0] * 100_000},
    )
    monkeypatch.setattr(parquet, "FREE_ROWS", 1000)
    monkeypatch.setattr(parquet, "MAX_ROWS_PER_BYTE", 5)
    with pytest.raises(SourceError, match="100000 rows in"):
        load(path)
    monkeypatch.undo()
    monkeypatch.setattr(parquet, "FREE_BYTES", 10)
    monkeypatch.setattr(parquet, "MAX_RATIO", 2)
    path = store(tmp_path / "b.parquet", {"ts": ["x" * 1_000_000], "value": [1.0]}, compression="zstd")
    with pytest.raises(SourceError, match="2 times its size"):
        load(path)


def test_damaged_files_are_refused_or_read_whole(tmp_path: Path) -> None:
    """With page checksums a flipped bit is refused; without, at least nothing but our errors comes out."""
    columns = long(pa.array(EXPECTED, type=pa.timestamp("us")))
    chosen = random.Random(3)
    for checksum in (False, True):
        buffer = io.BytesIO()
        pq.write_table(pa.table(columns), buffer, write_page_checksum=checksum, compression="zstd")
        data = buffer.getvalue()
        for cut in [*range(0, 12), *range(12, len(data), 97), len(data) - 1]:
            with pytest.raises(SourceError):
                load(write(tmp_path / "a.parquet", data[:cut]), format="parquet")
        for _ in range(150):
            damaged = bytearray(data)
            damaged[chosen.randrange(len(data))] ^= 1 << chosen.randrange(8)
            try:
                found = load(write(tmp_path / "a.parquet", bytes(damaged)), format="parquet")
            except (SourceError, SchemaError):
                continue
            assert found.rows.height + found.rejects.height == COUNT


def test_parquet_is_not_read_from_standard_input_or_inside_gzip(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="from a file"):
        load("-", format="parquet")
    path = store(tmp_path / "a.parquet", long(pa.array(EXPECTED, type=pa.timestamp("us"))), compression="gzip")
    with pytest.raises(SourceError, match="decompress it first"):
        load(write(tmp_path / "a.parquet.gz", gzip.compress(path.read_bytes())))
