"""Where the rows of tables go while a run makes them."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import BinaryIO, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from capforecast.schema import TABLES
from capforecast.store import KeptPiece
from capforecast.tables import conform, empty


class Sink(Protocol):
    """Takes rows of published tables, in the order in which they are published; used by one thread."""

    def write(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table: its columns in their order, texts plain or run-end encoded."""
        ...

    def keep(self, piece: KeptPiece, about: Mapping[str, str]) -> None:
        """Keep forecasts for the next run."""
        ...

    def beside(self, name: str, data: bytes) -> None:
        """Put a file beside the tables, for later runs."""
        ...

    def scratch(self) -> BinaryIO:
        """Return a file to write and read that is gone when it is closed."""
        ...


class InMemory:
    """Keeps all rows in memory."""

    def __init__(self) -> None:
        self._parts: dict[str, list[pl.DataFrame]] = {}

    def write(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table."""
        plain = {
            name: pc.run_end_decode(column) if pa.types.is_run_end_encoded(column.type) else column
            for name, column in zip(rows.column_names, rows.columns, strict=True)
        }
        self._parts.setdefault(table, []).append(conform(pl.DataFrame(pa.table(plain)), TABLES[table]))

    def keep(self, piece: KeptPiece, about: Mapping[str, str]) -> None:
        """Keep nothing: what is not published has no next run."""

    def beside(self, name: str, data: bytes) -> None:
        """Keep nothing, as with forecasts."""

    def scratch(self) -> BinaryIO:
        """Return a file in memory."""
        return BytesIO()

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """Return the tables that a moment decides, also those without rows."""
        names = ("breaches", "outcomes", "forecasts", "series", "backtests")
        return {name: pl.concat([empty(name), *self._parts.get(name, [])]) for name in names}
