"""One published table as Parquet, in the types and the column order of the schema."""

from __future__ import annotations

from io import BytesIO

import polars as pl

from capforecast.report import RenderOptions, Tables
from capforecast.schema import SCHEMA_VERSION, table
from capforecast.schema_polars import types_of


def render(tables: Tables, options: RenderOptions) -> bytes:
    """Return the chosen table as a Parquet file that names the version of its schema."""
    columns = [pl.col(name).cast(dtype) for name, dtype in types_of(table(options.table)).items()]
    buffer = BytesIO()
    options.chosen(tables).select(columns).write_parquet(
        buffer, compression="snappy", metadata={"schema_version": str(SCHEMA_VERSION)}
    )
    return buffer.getvalue()
