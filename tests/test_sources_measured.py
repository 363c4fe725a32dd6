"""Numbers with their units in the cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import START_S, load, write

from capforecast.sources.measured import column_kind, split
from capforecast.units import known


@pytest.mark.parametrize(
    ("cell", "value", "unit"),
    [
        ("45%", 45.0, "percent"), ("12.5 %", 12.5, "percent"), ("1.5 GiB", 1.5 * 2**30, "byte"), ("800MB", 8e8, "byte"),
        ("-1e3 B", -1000.0, "byte"), ("5 kB/s", 5000.0, "byte/s"), ("8 kbps", 1000.0, "byte/s"),
        ("250 ms", 0.25, "s"), ("2 min", 120.0, "s"), ("+.5", 0.5, None), ("1e400", float("inf"), None),
    ],
)  # fmt: skip
def test_a_number_may_have_a_unit(cell: str, value: float, unit: str | None) -> None:
    values, units = split(pl.Series([cell]))
    assert values.to_list() == [pytest.approx(value)]
    assert units.to_list() == [unit]


@pytest.mark.parametrize(
    "cell",
    ["12B", "5m", "1h", "7d", "3 Mb/s", "1.2 K", "1,5 %", "10 GB 5 MB", "2024-01-01", "1:30", "web-01", "-", "% 5"],
)
def test_what_may_be_a_name_or_another_unit_is_text(cell: str) -> None:
    values, units = split(pl.Series([cell]))
    assert (values.to_list(), units.to_list()) == ([None], [None])
    assert column_kind(pl.Series([cell, cell])) != "measured"


@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["KiB", "GB", "%", "B/s", "s", "Byte"]))
def test_a_cell_is_what_its_number_is_in_its_unit(number: float, unit: str) -> None:
    found = known(unit)
    assert found is not None
    values, units = split(pl.Series([f"{number!r} {unit}"]))
    assert units.to_list() == [found.canonical]
    assert values.to_list() == [number * found.factor]


def wide(path: Path) -> Path:
    lines = [f"{START_S + k},a,{used},{share},x" for k, (used, share) in enumerate(USED)]
    return write(path, "\n".join(["ts,host,used,share,note", *lines]) + "\n")


def as_parquet(path: Path) -> Path:
    pl.read_csv(wide(path), infer_schema=False).with_columns(pl.col("ts").cast(pl.Int64)).write_parquet(path)
    return path


USED = [("800 MB", "45%"), ("1.5 GB", ""), ("0", "46 %"), ("many", "47%")]


@pytest.mark.parametrize("written", [wide, as_parquet])
def test_columns_of_such_cells_are_metrics_in_the_canonical_unit(
    tmp_path: Path, written: Callable[[Path], Path]
) -> None:
    found = load(written(tmp_path / "disks"))
    assert found.rows.filter(metric="used").select("unit", "value").rows() == [
        ("byte", 8e8),
        ("byte", 1.5e9),
        ("", 0.0),
    ]
    assert found.rows.filter(metric="share").select("unit", "value").rows() == [("percent", k) for k in (45, 46, 47)]
    assert found.rejects["reason"].to_list() == ["'used' is not a number"]


def test_rows_of_a_long_table_have_units_of_their_own(tmp_path: Path) -> None:
    """A unit in the cell goes before that of the row."""
    rows = ["a,used,1.5 GB,KB", "a,used,2,KB", "a,share,45%,", "a,share,n/a,"]
    text = "\n".join(["host,metric,value,unit,ts", *(f"{row},{START_S + k}" for k, row in enumerate(rows))])
    found = load(write(tmp_path / "a.csv", text))
    assert found.rows.select("metric", "unit", "value").rows() == [
        ("used", "byte", 1.5e9), ("used", "KB", 2.0), ("share", "percent", 45.0)
    ]  # fmt: skip
    assert found.rejects["reason"].to_list() == ["value is not a number"]
