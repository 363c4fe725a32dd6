"""The columns of published tables in the types of polars."""

from __future__ import annotations

import polars as pl

from capforecast.schema import Table

TYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}


def types_of(table: Table) -> dict[str, pl.DataType]:
    """Return the type of each column of a table, in their order."""
    return {column.name: TYPES[column.type] for column in table.columns}
