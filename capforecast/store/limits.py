"""The table of dated limits: its columns, and how a frame becomes one."""

from __future__ import annotations

import polars as pl

from capforecast.errors import SchemaError

COLUMNS: dict[str, pl.DataType] = {
    "pattern_host": pl.String(),
    "pattern_metric": pl.String(),
    "pattern_instance": pl.String(),
    "capacity": pl.Float64(),
    "threshold_name": pl.String(),
    "threshold": pl.Float64(),
    "percent": pl.Boolean(),
    "direction": pl.String(),
    "lead_time_days": pl.Int64(),
    "valid_from": pl.Datetime("us", "UTC"),
    "service": pl.String(),
    "team": pl.String(),
    "env": pl.String(),
    "site": pl.String(),
    "criticality": pl.String(),
    "line": pl.Int64(),
}
"""Columns that limits have; a threshold that is switched off has a name and no value."""


def typed(frame: pl.DataFrame) -> pl.DataFrame:
    """Return limits with a type for every column.

    Raises
    ------
    SchemaError
        A column is missing.
    """
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        raise SchemaError("limits must have all their columns", got=f"missing {', '.join(missing)}")
    return frame.cast(
        {name: COLUMNS.get(name, pl.String()) for name, dtype in frame.schema.items() if dtype == pl.Null()}
    )
