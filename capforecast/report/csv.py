"""Comma-separated values after RFC 4180: UTF-8, a header, NULL as an empty field."""

from __future__ import annotations

from io import BytesIO

import polars as pl

from capforecast.report import RenderOptions, Tables

# A spreadsheet takes a cell that begins like this for a formula, whatever the file says.
FORMULA_START = r"^[=+\-@\t\r]"


def guarded() -> pl.Expr:
    """Return the text columns of a frame; text that a spreadsheet would take for a formula gets an apostrophe."""
    text = pl.col(pl.String)
    return pl.when(text.str.contains(FORMULA_START)).then(pl.lit("'") + text).otherwise(text).name.keep()


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the chosen table as CSV, its texts `guarded`."""
    buffer = BytesIO()
    options.chosen(tables).with_columns(guarded()).write_csv(
        buffer,
        line_terminator="\r\n",
        date_format="%Y-%m-%d",
        datetime_format="%Y-%m-%dT%H:%M:%S%.fZ",
    )
    return buffer.getvalue()
