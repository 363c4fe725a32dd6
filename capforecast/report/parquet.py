"""One published table as Parquet, in the types and the column order of the schema."""

from __future__ import annotations

from io import BytesIO

import polars as pl

from capforecast.report import RenderOptions, Tables
from capforecast.schema import SCHEMA_VERSION, table

TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the chosen table as a Parquet file that names the version of its schema."""
    columns = [pl.col(column.name).cast(TYPES[column.type]) for column in table(options.table).columns]
    buffer = BytesIO()
    options.chosen(tables).select(columns).write_parquet(
        buffer, compression="snappy", metadata={"schema_version": str(SCHEMA_VERSION)}
    )
    return buffer.getvalue()
