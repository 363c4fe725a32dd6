"""An edition: the tables and pages of a run, checked against the schema and encoded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa

from capforecast.errors import ConfigError, SchemaError, UnknownNameError
from capforecast.schema import SCHEMA_VERSION, TABLES, Table
from capforecast.store.parquet import encode

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
POLARS: dict[str, pl.DataType] = {
    "text": pl.String(),
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
_ARROW = {
    "text": pa.string(),
    "double": pa.float64(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}
_CODEC: dict[str, Any] = {"compression": "snappy", "version": "2.6"}


@dataclass(frozen=True, slots=True)
class Edition:
    """The bytes of a run, ready to be written."""

    tables: dict[str, bytes]
    rows: dict[str, int]
    pages: dict[str, bytes]

    def manifest(self) -> dict[str, dict[str, Any]]:
        """Return file name to rows, bytes and sha256 of each table."""
        return {
            name: {"rows": self.rows[name], "bytes": len(data), "sha256": sha256_of(data)}
            for name, data in self.tables.items()
        }


def file_name(name: str, what: str) -> str:
    """Return a name that is safe as part of a path.

    Raises
    ------
    ConfigError
        It is not.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a {what} must be 1 to 100 letters, digits, dots, dashes and underscores, and start with a "
            "letter or digit",
            got=repr(name),
        )
    return name


def edition(tables: Mapping[str, pl.DataFrame], pages: Mapping[str, bytes]) -> Edition:
    """Check and encode what is to be published; tables that are not given are published empty.

    Raises
    ------
    UnknownNameError, SchemaError, ConfigError
        A table is unknown, a frame does not fit its table, or a page's name is no file name.
    """
    for name in tables:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
    encoded, rows = {}, {}
    for name, table in TABLES.items():
        frame = tables.get(name, pl.DataFrame(schema={c.name: POLARS[c.type] for c in table.columns}))
        arrow = _to_arrow(table, _checked(table, frame))
        encoded[f"{name}.parquet"] = encode(arrow, **_CODEC).to_pybytes()
        rows[f"{name}.parquet"] = frame.height
    return Edition(encoded, rows, {file_name(name, "page's name"): pages[name] for name in sorted(pages)})


def _checked(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    if tuple(frame.columns) != table.names:
        missing = [name for name in table.names if name not in frame.columns]
        extra = [name for name in frame.columns if name not in table.names]
        raise SchemaError(
            f"table {table.name} must have exactly the columns of the schema, in its order",
            got=f"missing {missing}, extra {extra}" if missing or extra else "another order",
        )
    for column in table.columns:
        got, want = frame.schema[column.name], POLARS[column.type]
        if got not in (want, pl.Null()):
            raise SchemaError(
                f"column {column.name} must be {column.type} ({want})",
                got=str(got),
                where=f"table {table.name}",
            )
        if column.type == "double" and got == want and not frame[column.name].is_finite().all():
            raise SchemaError(
                f"column {column.name} must hold finite values or null",
                got="NaN or infinity",
                where=f"table {table.name}, row {frame[column.name].is_finite().fill_null(True).arg_min()}",
            )
    return frame.cast({column.name: POLARS[column.type] for column in table.columns})


def _to_arrow(table: Table, frame: pl.DataFrame) -> pa.Table:
    schema = pa.schema(
        [(column.name, _ARROW[column.type]) for column in table.columns],
        metadata={"schema_version": str(SCHEMA_VERSION), "table": table.name},
    )
    return frame.to_arrow().cast(schema.remove_metadata()).replace_schema_metadata(schema.metadata)


def sha256_of(data: bytes) -> str:
    """Return the sha256 of bytes as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()
