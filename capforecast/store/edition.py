"""What fits into a published file: names, and rows checked against the schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from capforecast.errors import ConfigError, SchemaError, UnknownNameError
from capforecast.schema import TABLES, Table

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
ARROW: dict[str, Any] = {
    "text": pa.string(),
    "double": pa.float64(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}
_TEXTS = (pa.string(), pa.large_string(), pa.string_view())


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


def page_names(pages: Mapping[str, bytes]) -> None:
    """Check that pages have names of files.

    Raises
    ------
    ConfigError
        One has not.
    """
    for name in pages:
        file_name(name, "page's name")


def fitted_tables(tables: Mapping[str, pl.DataFrame]) -> dict[str, pa.Table]:
    """Return frames in the types of their tables.

    Raises
    ------
    UnknownNameError, SchemaError
        A table is unknown, or a frame does not fit its table.
    """
    for name in tables:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
    return {name: fitted(TABLES[name], frame.to_arrow()) for name, frame in tables.items()}


def fitted(table: Table, rows: pa.Table) -> pa.Table:
    """Return rows in the types of a published table; texts may stay run-end encoded.

    Raises
    ------
    SchemaError
        A column is missing, extra, elsewhere or of another type, or holds NaN or an infinity.
    """
    if tuple(rows.column_names) != table.names:
        missing = [name for name in table.names if name not in rows.column_names]
        extra = [name for name in rows.column_names if name not in table.names]
        raise SchemaError(
            f"table {table.name} must have exactly the columns of the schema, in its order",
            got=f"missing {missing}, extra {extra}" if missing or extra else "another order",
        )
    columns = []
    for column, found in zip(table.columns, rows.columns, strict=True):
        runs = pa.types.is_run_end_encoded(found.type)
        kind = found.type.value_type if runs else found.type
        want = ARROW[column.type]
        if kind not in (*(_TEXTS if column.type == "text" else (want,)), pa.null()):
            raise SchemaError(
                f"column {column.name} must be {column.type} ({want})", got=str(kind), where=f"table {table.name}"
            )
        if column.type == "double":
            _check_finite(table, column.name, found)
        columns.append(found if kind == want else (pc.run_end_decode(found) if runs else found).cast(want))
    return pa.table(dict(zip(table.names, columns, strict=True)))


def _check_finite(table: Table, name: str, column: pa.ChunkedArray) -> None:
    finite = pc.is_finite(column.cast(pa.float64()))
    if not pc.all(finite, min_count=0).as_py():
        raise SchemaError(
            f"column {name} must hold finite values or null",
            got="NaN or infinity",
            where=f"table {table.name}, row {pc.index(finite, False).as_py()}",
        )
