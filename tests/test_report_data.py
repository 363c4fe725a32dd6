"""The renderings for programs: csv, jsonl, parquet, xlsx."""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
from datetime import UTC, date, datetime, timedelta

import openpyxl
import polars as pl
import pyarrow.parquet
import pytest

from capforecast import registry
from capforecast.cli.files import csv_text
from capforecast.errors import ConfigError, DataError, UnknownNameError
from capforecast.report import RenderOptions
from capforecast.schema import SCHEMA_VERSION, TABLES
from tests.tables import AS_OF, HOSTILE, TYPES, breach_tables, empty_tables

FORMULAS = ("=", "+", "-", "@", "\t", "\r")
DATA = ("csv", "jsonl", "parquet", "xlsx")


def _render(name: str, tables: dict[str, pl.DataFrame], table: str = "breaches") -> bytes:
    return registry.load("report", name)(tables, RenderOptions(table=table))


def _rows(page: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(page.decode(), newline="")))


@pytest.mark.parametrize("name", DATA)
@pytest.mark.parametrize("table", TABLES)
def test_any_published_table_can_be_chosen(name: str, table: str) -> None:
    assert _render(name, breach_tables(2), table) != _render(
        name, breach_tables(2), "run" if table != "run" else "series"
    )


@pytest.mark.parametrize("name", DATA)
def test_an_unknown_table_is_named_with_the_nearest_one(name: str) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'breaches'"):
        _render(name, breach_tables(), "breachs")


def test_csv_header_is_the_schema_and_lines_end_as_rfc_4180_says() -> None:
    page = _render("csv", breach_tables(3))
    assert page.split(b"\r\n")[0].decode() == ",".join(TABLES["breaches"].names)
    assert page.count(b"\r\n") == 4
    assert page.endswith(b"\r\n")


def test_csv_keeps_every_text_but_formulas() -> None:
    """A spreadsheet would run them, so they get an apostrophe and nothing else changes."""
    rows = _rows(_render("csv", breach_tables([{"host": h, "reason": h} for h in HOSTILE])))
    for column in ("host", "reason"):
        expected = ["'" + h if h.startswith(FORMULAS) else h for h in HOSTILE]
        assert [row[column] for row in rows] == expected


def test_csv_of_forecast_and_replay_is_guarded_alike() -> None:
    frame = pl.DataFrame({"host": HOSTILE, "p_breach": [-0.5] * len(HOSTILE)})
    rows = list(csv.DictReader(io.StringIO(csv_text(frame), newline="")))
    assert [row["host"] for row in rows] == ["'" + h if h.startswith(FORMULAS) else h for h in HOSTILE]
    assert {row["p_breach"] for row in rows} == {"-0.5"}
    assert csv_text(frame.select("p_breach").head(1)) == "p_breach\n-0.5\n"


def test_csv_numbers_are_exact_and_keep_their_sign() -> None:
    values = [-0.1, 1 / 3, 1e20, -5e-324, 1.7976931348623157e308]
    rows = _rows(_render("csv", breach_tables([{"headroom": v} for v in values])))
    assert [float(row["headroom"]) for row in rows] == values
    assert rows[0]["headroom"] == "-0.1"


def test_csv_writes_null_as_nothing_and_dates_in_iso() -> None:
    row = _rows(_render("csv", breach_tables([{"current": None, "team": None}])))[0]
    assert (row["current"], row["team"]) == ("", "")
    assert (row["run_date"], row["as_of"]) == ("2026-03-01", "2026-03-01T02:00:00Z")


def test_jsonl_rows_hold_every_column_with_its_type() -> None:
    tables = breach_tables([{"current": 1 / 3, "team": None, "as_of": AS_OF + timedelta(microseconds=5)}])
    row = json.loads(_render("jsonl", tables))
    assert tuple(row) == TABLES["breaches"].names
    assert row["current"] == 1 / 3
    assert row["team"] is None
    assert row["days_to_breach_p10"] == 3
    assert row["breach_date_p10"] == "2026-03-04"
    assert datetime.fromisoformat(row["as_of"]) == AS_OF + timedelta(microseconds=5)


def test_jsonl_keeps_every_name_on_one_line() -> None:
    """Also for readers that break lines wherever Unicode lets them."""
    page = _render("jsonl", breach_tables([{"host": h} for h in HOSTILE])).decode()
    assert [json.loads(line)["host"] for line in page.splitlines()] == list(HOSTILE)
    assert "ホスト" in page


@pytest.mark.parametrize("table", TABLES)
def test_parquet_has_the_types_of_the_schema(table: str) -> None:
    for tables in (empty_tables(), breach_tables(3)):
        page = _render("parquet", tables, table)
        frame = pl.read_parquet(io.BytesIO(page))
        assert frame.schema == pl.Schema({c.name: TYPES[c.type] for c in TABLES[table].columns})
        assert frame.equals(tables[table])
        metadata = pyarrow.parquet.read_metadata(io.BytesIO(page)).metadata
        assert metadata[b"schema_version"] == str(SCHEMA_VERSION).encode()


def test_parquet_keeps_hostile_names_byte_for_byte() -> None:
    page = _render("parquet", breach_tables([{"host": h} for h in HOSTILE]))
    assert pl.read_parquet(io.BytesIO(page))["host"].to_list() == list(HOSTILE)


def test_xlsx_cells_have_their_types_and_no_formula_or_link() -> None:
    hosts = [h for h in HOSTILE if h.isprintable() and "_x" not in h] + ["http://example.com/", "12"]
    page = _render("xlsx", breach_tables([{"host": h} for h in hosts]))
    sheet = openpyxl.load_workbook(io.BytesIO(page))["breaches"]
    head = [cell.value for cell in sheet[1]]
    assert tuple(head) == TABLES["breaches"].names
    cells = [row[head.index("host")] for row in sheet.iter_rows(min_row=2)]
    assert [cell.value for cell in cells] == hosts
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.hyperlink for cell in cells] == [None] * len(hosts)
    # Only the quote prefix keeps a cell text when somebody edits it.
    assert [bool(cell.quotePrefix) for cell in cells] == [h.startswith(FORMULAS) for h in hosts]
    first = {name: cell.value for name, cell in zip(head, sheet[2], strict=True)}
    assert first["as_of"] == AS_OF.replace(tzinfo=None)
    assert first["breach_date_p10"] == datetime(2026, 3, 4)
    assert (first["threshold"], first["env"]) == (90, None)


def test_xlsx_says_what_its_columns_mean() -> None:
    book = openpyxl.load_workbook(io.BytesIO(_render("xlsx", breach_tables())))
    meanings = {row[0]: row[3] for row in book["columns"].iter_rows(min_row=2, values_only=True)}
    assert meanings == {c.name: c.meaning for c in TABLES["breaches"].columns}


def test_xlsx_carries_no_clock() -> None:
    """The moment of creation is the run's, the entries of the archive have a fixed one."""
    archive = zipfile.ZipFile(io.BytesIO(_render("xlsx", breach_tables())))
    assert b"2026-03-01T02:00:00Z" in archive.read("docProps/core.xml")
    assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_xlsx_cuts_text_that_no_cell_can_hold_and_says_so() -> None:
    texts = ["x" * 32_767, "x" * 32_768, "\U0001f4a5" * 20_000]
    page = _render("xlsx", breach_tables([{"reason": text} for text in texts]))
    sheet = openpyxl.load_workbook(io.BytesIO(page))["breaches"]
    column = [cell.value for cell in sheet[1]].index("reason") + 1
    kept = [sheet.cell(row, column).value for row in (2, 3, 4)]
    assert kept[0] == texts[0]
    assert kept[1] == "x" * 32_761 + " [cut]"
    assert kept[2] == "\U0001f4a5" * 16_380 + " [cut]"


def test_xlsx_refuses_more_rows_than_a_sheet_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    render = registry.load("report", "xlsx")
    monkeypatch.setattr(sys.modules[render.__module__], "MOST_ROWS", 2)
    with pytest.raises(DataError, match="at most 2 rows; got 3"):
        render(breach_tables(3), RenderOptions())


def test_xlsx_without_the_extra_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "capforecast.report.xlsx", raising=False)
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    with pytest.raises(ConfigError, match=r"pip install capforecast\[xlsx\]"):
        registry.load("report", "xlsx")


def test_the_factory_of_tables_follows_the_schema() -> None:
    tables = breach_tables(7)
    assert set(tables) == set(TABLES)
    assert all(tuple(frame.columns) == TABLES[name].names for name, frame in tables.items())
    assert tables["run"]["as_of"].to_list() == [AS_OF.astimezone(UTC)]
    assert tables["breaches"]["run_date"][0] == date(2026, 3, 1)
