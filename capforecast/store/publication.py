"""A run on its way into history: tables are written row by row as the run makes them, and published whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import polars as pl
import pyarrow as pa

from capforecast.errors import StoreError, UnknownNameError
from capforecast.schema import TABLES
from capforecast.store import durable, publish
from capforecast.store.catalog import Catalog
from capforecast.store.edition import file_name, page_names
from capforecast.store.history import staging_path
from capforecast.store.keeping import FILE, KeepingFile, KeptPiece, forget
from capforecast.store.publish import Edition, Published
from capforecast.store.tablefile import TableFile


class Publication:
    """The tables of a run under a temporary name in history; a context manager that leaves nothing unpublished.

    Parameters
    ----------
    store, catalog
        The store, open for writing.
    committed : callable
        Called with the number of the commit as soon as it is durable.
    run : mapping
        run_id, run_date, as_of_us, run_us; anything else is kept as JSON.

    Raises
    ------
    StoreError
        The run has no identity, or its directory cannot be made.
    ConfigError
        Its name is no file name.
    """

    def __init__(self, store: Path, catalog: Catalog, committed: Callable[[int], None], run: Mapping[str, object]):
        self._store, self._catalog, self._committed, self._run = store, catalog, committed, run
        run_id, run_date, _, _ = publish.required(run)
        self._folder = store / staging_path(run_id, run_date)
        durable.remove(self._folder)
        durable.make_directory(self._folder, private=False)
        self._open: dict[str, TableFile] = {}
        self._manifest: dict[str, dict[str, Any]] = {}
        self._keeping: KeepingFile | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._open.values():
            file.abandon()
        self._open.clear()
        if self._keeping is not None:
            self._keeping.abandon()
        durable.remove(self._folder)
        durable.remove_empty(self._folder.parent)

    def write(self, table: str, rows: pa.Table) -> None:
        """Append rows to a table.

        Raises
        ------
        UnknownNameError, SchemaError
            There is no such table, or the rows do not fit it.
        StoreError
            They could not be written.
        """
        if table not in TABLES:
            raise UnknownNameError("table", table, TABLES)
        if f"{table}.parquet" in self._manifest:
            raise StoreError("rows must come before their table is finished", got=f"rows of {table}")
        if table not in self._open:
            self._open[table] = TableFile(TABLES[table], self._folder / f"{table}.parquet")
        self._open[table].write(rows)

    def scratch(self) -> BinaryIO:
        """Return a file to write and read that is gone when it is closed."""
        return durable.scratch_file(self._folder)

    def keep(self, piece: KeptPiece, about: Mapping[str, str]) -> None:
        """Keep forecasts for the next run; `about` is the same for all pieces.

        Raises
        ------
        StoreError
            They could not be written.
        """
        if self._keeping is None:
            self._keeping = KeepingFile(self._folder / FILE, about)
        self._keeping.write(piece)

    def beside(self, name: str, data: bytes) -> None:
        """Put a file beside the tables in history, which later runs may read but need not.

        Raises
        ------
        ConfigError
            The name is no file name.
        StoreError
            It could not be written.
        """
        durable.atomic_write(self._folder / file_name(name, "file's name"), data, private=False)

    def finish(self, table: str) -> pl.LazyFrame:
        """Finish a table, empty if there were no rows, and return it to be read."""
        name = f"{table}.parquet"
        if name not in self._manifest:
            file = self._open.pop(table, None) or TableFile(TABLES[table], self._folder / name)
            try:
                self._manifest[name] = file.finish()
            finally:
                file.abandon()
        return pl.scan_parquet(self._folder / name)

    def publish(self, pages: Mapping[str, bytes]) -> Published:
        """Publish the run with its pages; tables without rows are published empty.

        Raises
        ------
        ConfigError
            A page's name is no file name.
        StoreError
            The files could not be written; what was published before stands.
        """
        page_names(pages)
        for table in TABLES:
            self.finish(table)
        if self._keeping is not None:
            self._keeping.finish()
        content = Edition(
            self._folder, {f"{table}.parquet": self._manifest[f"{table}.parquet"] for table in TABLES}, pages
        )
        published = publish.publish_run(self._store, self._catalog, self._committed, self._run, content)
        forget(self._store, self._catalog)
        return published
