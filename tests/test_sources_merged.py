"""Series must not be merged because the column that tells them apart has no role, and what is left out is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from source_files import START_S, load, write

from capforecast.errors import SchemaError
from capforecast.sources import ReadOptions
from capforecast.sources.merged import CHECKED_ROWS
from capforecast.sources.recognise import read

Rows = list[dict[str, object]]


def as_csv(path: Path, rows: Rows) -> Path:
    pl.DataFrame(rows, infer_schema_length=None).write_csv(path)
    return path


def as_jsonl(path: Path, rows: Rows) -> Path:
    return write(path, "".join(json.dumps(row) + "\n" for row in rows))


def as_parquet(path: Path, rows: Rows) -> Path:
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path, row_group_size=3)
    return path


def disks(**changed: object) -> Rows:
    """Two file systems of a host, each hour."""
    return [
        {"ts": START_S + 3600 * i, "host": "a", "filesystem": name, "used": used + i, **changed}
        for i in range(5)
        for name, used in (("/data", 10.0), ("/var", 20.0))
    ]


WRITERS = pytest.mark.parametrize("written", [as_csv, as_jsonl, as_parquet])


@WRITERS
def test_a_column_that_tells_rows_of_one_series_apart_must_have_a_role(
    tmp_path: Path, written: Callable[[Path, Rows], Path]
) -> None:
    path = written(tmp_path / "used", disks())
    with pytest.raises(
        SchemaError, match=r"10 and 20 of 'a used' at one time; the column 'filesystem'.*'/var'"
    ) as found:
        load(path)
    assert "--map instance=filesystem" in str(found.value)
    mapped = load(path, mapping={"instance": "filesystem"}).rows
    assert mapped["instance"].unique().sort().to_list() == ["/data", "/var"]
    assert mapped.height == 10


def test_where_no_column_is_the_host_it_may_be_the_one_that_tells_rows_apart(tmp_path: Path) -> None:
    rows: Rows = [
        {"group": name, "Time": START_S + 60 * i, "Value": i + k} for k, name in enumerate("ab") for i in range(3)
    ]
    with pytest.raises(SchemaError, match="Add --map host=group"):
        load(as_csv(tmp_path / "rows.csv", rows))


@pytest.mark.parametrize(
    ("header", "cells", "series"),
    [
        ("TimeGenerated [UTC],Computer,ObjectName,CounterName,InstanceName,CounterValue",
         "a,LogicalDisk,% Free Space,C:,", ("a", "% Free Space", "C:")),
        ('"Timestamp","MetricId","Unit","Entity","Instance","Value"', "cpu.usage.average,%,a,0,",
         ("a", "cpu.usage.average", "0")),
        ("Time,Host,Item,Value", "a,CPU utilization,", ("a", "CPU utilization", "")),
        ("Time,Series,Item,Name,Value", "a,b,m,", ("a", "m", "")),
        ("time,resource,entity_id,series,load1", "7,8,9,", ("x", "load1", "")),
    ],
)  # fmt: skip
def test_names_that_programs_give_to_columns_of_text_are_known(
    tmp_path: Path, header: str, cells: str, series: tuple[str, ...]
) -> None:
    """A usual name comes before them, and numbers are not names by them."""
    found = load(write(tmp_path / "x.csv", f"{header}\n2024-01-01T00:00:00Z,{cells}1.5\n")).rows
    assert found.filter(value=1.5).select("host", "metric", "instance").row(0) == series


def test_numbers_that_tell_rows_apart_are_names_where_no_text_does(tmp_path: Path) -> None:
    rows: Rows = [
        {"ts": START_S + 60 * i, "host": "a", "note": "x", "processor": k, "value": 10 * k + i}
        for i in range(3)
        for k in range(4)
    ]
    for name in ("value", "util"):
        named = [{name if key == "value" else key: cell for key, cell in row.items()} for row in rows]
        with pytest.raises(SchemaError, match="the column 'processor' tells them apart"):
            load(as_csv(tmp_path / "cpu.csv", named))
    measured = [{"ts": START_S + i // 2, "host": "a", "value": i % 7, "max": i + 0.5, "n": i} for i in range(20)]
    assert load(as_csv(tmp_path / "max.csv", measured)).rows.height == 20


@WRITERS
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(disks(used=1.0), id="the same value"),
        pytest.param([row for row in disks() if row["filesystem"] == "/var"], id="other times"),
        pytest.param(disks(filesystem="/"), id="not told apart"),
        pytest.param([*({**row, "host": str(i)} for i, row in enumerate(disks())), *disks()[:1]], id="one of many"),
    ],
)
def test_rows_that_are_no_two_series_are_taken(
    tmp_path: Path, written: Callable[[Path, Rows], Path], rows: Rows
) -> None:
    found = load(written(tmp_path / "used", rows))
    assert found.rows.height == len(rows)


@WRITERS
def test_columns_that_hold_something_and_are_not_read_are_named(
    tmp_path: Path, written: Callable[[Path, Rows], Path]
) -> None:
    rows: Rows = [
        {"ts": START_S + i, "index": i, "none": None, "team": "x", "max": i + 1, "value": i, "kind": "y"}
        for i in range(9)
    ]
    path = written(tmp_path / "load", rows)
    batches = list(read(str(path), ReadOptions(chunk_rows=2)))
    assert len(batches) > 1
    assert {batch.left_out for batch in batches} == {("team", "kind", "max")}
    wide = written(tmp_path / "wide", [{name: row[name] for name in row if name != "value"} for row in rows])
    assert {batch.left_out for batch in read(str(wide), ReadOptions())} == {("team", "kind")}


def test_what_json_holds_in_lists_is_named_and_so_are_keys_that_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("capforecast.sources.jsonl._LINES", 2)
    rows: Rows = [{"ts": START_S + i, "load": 1.5, "hosts": [{"cpu": 0.5}], "tags": []} for i in range(3)]
    found = list(read(str(as_jsonl(tmp_path / "a.jsonl", [*rows, {**rows[0], "disk": 1}])), ReadOptions()))
    assert [name for batch in found for name in batch.left_out] == ["hosts", "tags", "disk"]
    assert pl.concat([batch.rows for batch in found])["metric"].unique().to_list() == ["load"]


def test_only_the_first_rows_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert CHECKED_ROWS > 10
    monkeypatch.setattr("capforecast.sources.merged.CHECKED_ROWS", 5)
    rows = sorted(disks(), key=lambda row: str(row["filesystem"]))
    assert load(as_csv(tmp_path / "used.csv", rows)).rows.height == 10


@pytest.mark.parametrize("kind", [pa.decimal256(70, 3), pa.decimal128(9, 2), pa.float16(), pa.float32()])
def test_values_of_any_type_of_numbers_are_looked_at(tmp_path: Path, kind: pa.DataType) -> None:
    """No column tells the two values of each moment apart, which every one of them is asked for."""
    values = pa.array([n % 7 + 0.5 for n in range(24)], pa.float32()).cast(kind)
    table = pa.table({"rack": ["r"] * 24, "ts": [START_S + n // 2 for n in range(24)], "cpu_util_pct": values})
    pq.write_table(table, tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").rows.height == 24
