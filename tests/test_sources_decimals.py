"""Numbers with decimal commas and grouped thousands: read as it is said, and never guessed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from source_files import START_S, load, write

from capforecast.sources.decimals import FORMATTED, pointed

NARROW, HARD = "\u202f", "\u00a0"


@pytest.mark.parametrize(
    ("decimal", "cell", "expected"),
    [
        ("comma", "1,5", "1.5"), ("comma", "-1.234,5", "-1234.5"), ("comma", "1.234", "1234"), ("comma", "12", "12"),
        ("comma", f"1{NARROW}234{HARD}567,8", "1234567.8"), ("comma", "1'234,50", "1234.50"),
        ("comma", "1,5e3", "1.5e3"),
        ("comma", "1.234,5 GiB", "1234.5 GiB"), ("comma", "45,1%", "45.1%"), ("comma", "1.5", None),
        ("comma", "1.2345", None), ("comma", "12.34,5", None), ("comma", "1,2,3", None), ("comma", "NaN", "NaN"),
        ("point", "1,234.5", "1234.5"), ("point", "1,234", "1234"), ("point", "1.5", "1.5"), ("point", "1,5", None),
        ("point", "12,345,678 kB", "12345678 kB"), ("point", "1.234,5", None), ("point", "", ""),
    ],
)  # fmt: skip
def test_the_sign_that_is_asked_for_is_the_only_one_of_decimals(decimal: str, cell: str, expected: str | None) -> None:
    assert pointed(pl.Series([cell]), decimal).to_list() == [expected]


@given(st.floats(-1e12, 1e12).map(lambda x: round(x, 3)), st.sampled_from(["", ".", " ", HARD, "'"]))
def test_a_number_is_read_as_it_was_written(number: float, group: str) -> None:
    text = f"{number:,.3f}"
    comma = text.translate({ord(","): group, ord("."): ","})
    assert pointed(pl.Series([comma]), "comma").cast(pl.Float64).to_list() == [number]
    assert pointed(pl.Series([text]), "point").cast(pl.Float64).to_list() == [number]


@pytest.mark.parametrize(
    "cell", ["1,5", "1.234,5", "1,234", "1,234.5", "12,345,678", f"1{NARROW}234", "1'234'567.8", "+1 234,5"]
)
def test_such_a_number_is_told_apart(tmp_path: Path, cell: str) -> None:
    path = write(tmp_path / "a.csv", f"ts;load;used\n{START_S};1;{cell}\n{START_S + 60};2;{cell}\n")
    found = load(path)
    assert found.rows["metric"].to_list() == ["load", "load"]
    assert found.rejects["reason"].to_list() == ["'used' has a decimal comma or grouped thousands (see --decimal)"] * 2


@pytest.mark.parametrize("cell", ["10.100.200.100", "1.2.3", "1,2,3", "12,34,567", "a,123", "1,23.4", "2024-01-01"])
def test_addresses_and_lists_are_no_numbers(cell: str) -> None:
    assert not pl.Series([cell]).str.contains(FORMATTED).item()


def as_csv(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_csv(path, separator=";", include_bom=True)
    return path


def as_jsonl(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_ndjson(path)
    return path


def as_parquet(path: Path, frame: pl.DataFrame) -> Path:
    frame.write_parquet(path)
    return path


@pytest.mark.parametrize("written", [as_csv, as_jsonl, as_parquet])
def test_a_table_of_a_country_is_read_whole(tmp_path: Path, written: Callable[[Path, pl.DataFrame], Path]) -> None:
    frame = pl.DataFrame(
        {
            "ts": [START_S, START_S + 60, START_S + 120],
            "host": ["a"] * 3,
            "load": ["1,5", "2", "x"],
            "used": ["1.234.567", "999", ""],
            "share": ["45,5 %", "46 %", "47 %"],
        }
    )
    found = load(written(tmp_path / "t", frame), decimal="comma")
    values = {metric: found.rows.filter(metric=metric)["value"].to_list() for metric in ("load", "used", "share")}
    assert values == {"load": [1.5, 2.0], "used": [1_234_567.0, 999.0], "share": [45.5, 46.0, 47.0]}
    assert found.rows.filter(metric="share")["unit"].unique().to_list() == ["percent"]
    assert found.rejects["reason"].to_list() == ["'load' is not a number"]
