"""A workbook: the chosen table on one sheet, the meaning of its columns on another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from io import BytesIO
from typing import Any

import polars as pl

from capforecast.errors import ConfigError, DataError
from capforecast.report import RenderOptions, Tables
from capforecast.schema import Table, table

try:
    import xlsxwriter
except ImportError as error:
    raise ConfigError("xlsx needs the extra: pip install capforecast[xlsx]") from error

MOST_ROWS = 1_048_575
MOST_TEXT = 32_767
_CUT = " [cut]"
_FORMULA_START = ("=", "+", "-", "@", "\t", "\r")
_SETTINGS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the chosen table as a workbook.

    Moments lose their time zone, which a workbook cannot hold: they are UTC. Text longer than a cell
    can hold ends in ``[cut]``.

    Raises
    ------
    DataError
        The table has more rows than a sheet can hold.
    """
    frame = options.chosen(tables).with_columns(pl.col(pl.Datetime).dt.replace_time_zone(None))
    if frame.height > MOST_ROWS:
        raise DataError(
            f"a sheet holds at most {MOST_ROWS} rows",
            got=frame.height,
            where=f"table {options.table}",
            do="Render fewer rows, or csv or parquet",
        )
    buffer = BytesIO()
    book = xlsxwriter.Workbook(buffer, _SETTINGS)
    # Without a date of creation the library writes the clock's, and the same run gives other bytes.
    book.set_properties({"created": _made(frame)})
    formats = {
        "head": book.add_format({"bold": True, "bottom": 1}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
        "timestamp": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        "text": book.add_format({"quote_prefix": True}),
    }
    _sheet(book.add_worksheet(options.table), frame, formats)
    _sheet(book.add_worksheet("columns"), _meanings(table(options.table)), formats)
    book.close()
    return buffer.getvalue()


def _made(frame: pl.DataFrame) -> datetime:
    """Return the moment the workbook claims to be made: the run's as_of."""
    moment = frame["as_of"].min() if "as_of" in frame.columns else None
    return moment if isinstance(moment, datetime) else datetime(1980, 1, 1, tzinfo=UTC)


def _meanings(described: Table) -> pl.DataFrame:
    fields = ("name", "type", "unit", "meaning")
    return pl.DataFrame(
        {field: [getattr(column, field) for column in described.columns] for field in fields},
        schema=dict.fromkeys(fields, pl.String),
    )


def _sheet(sheet: Any, frame: pl.DataFrame, formats: Mapping[str, Any]) -> None:
    """Write a header and the rows of `frame`, in order, as the constant-memory mode demands."""
    sheet.freeze_panes(1, 0)
    for index, name in enumerate(frame.columns):
        sheet.set_column(index, index, max(10, min(len(name) + 2, 40)))
        sheet.write_string(0, index, name, formats["head"])
    for number, row in enumerate(frame.iter_rows(), start=1):
        for index, value in enumerate(row):
            _cell(sheet, number, index, value, formats)
    if frame.height:
        sheet.autofilter(0, 0, frame.height, frame.width - 1)


def _cell(sheet: Any, row: int, column: int, value: object, formats: Mapping[str, Any]) -> None:
    match value:
        case None:
            return
        case str():
            # A prefixed cell stays text also when somebody edits it.
            style = formats["text"] if value.startswith(_FORMULA_START) else None
            sheet.write_string(row, column, _fitting(value), style)
        case bool():
            sheet.write_boolean(row, column, value)
        case datetime():
            sheet.write_datetime(row, column, value, formats["timestamp"])
        case date():
            sheet.write_datetime(row, column, value, formats["date"])
        case int() | float():
            sheet.write_number(row, column, value)
        case _:
            raise DataError("a cell must be text, a number, a date or NULL", got=type(value).__name__)


def _fitting(text: str) -> str:
    """Return `text` cut to what a cell holds, counted as the format counts: in UTF-16 units."""
    raw = text.encode("utf-16-le")
    if len(raw) <= 2 * MOST_TEXT:
        return text
    return raw[: 2 * (MOST_TEXT - len(_CUT))].decode("utf-16-le", "ignore") + _CUT
