"""A query of a SQLite database, which is opened for reading and may do nothing else."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from urllib.parse import quote

import pyarrow as pa

from capforecast.errors import SourceError
from capforecast.servers import Pull
from capforecast.sources import Batch
from capforecast.sources.arrow import tabulated
from capforecast.sources.samples import joined

ROWS = 100_000
"""Rows in memory at a time."""
_STEPS = 20_000
_READING = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE)


class SQLite:
    """``sqlite:///path/to/file``."""

    name = "sqlite"

    def read(self, pull: Pull) -> Iterator[Batch]:
        """Yield the samples of a query that returns the columns of samples.

        Raises
        ------
        SourceError
            The file is no database, the query is wrong, does more than read, or takes too long.
        SchemaError
            A needed column is missing or of a type that cannot hold it.
        """
        yield from joined(_batches(pull), pull.chunk_rows)


def _batches(pull: Pull) -> Iterator[Batch]:
    path = pull.address.file()
    end = time.monotonic() + pull.limits.total
    try:
        if not os.path.isfile(path):
            raise SourceError("a database must be a file", got="none", where=path)
        con = sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=pull.limits.silence)
        with closing(con):
            con.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READING else sqlite3.SQLITE_DENY)
            con.set_progress_handler(lambda: int(time.monotonic() > end), _STEPS)
            cursor = con.execute(pull.sql())
            if cursor.description is None:
                raise SourceError("a query must return rows", got="none", where=pull.where)
            yield from _tabulated_rows([column[0] for column in cursor.description], cursor, pull)
    except sqlite3.Error as error:
        got = f"more than {pull.limits.total:g} seconds" if time.monotonic() > end else str(error)
        raise SourceError("a query must read, in time", got=got, where=pull.where) from error


def _tabulated_rows(names: list[str], cursor: sqlite3.Cursor, pull: Pull) -> Iterator[Batch]:
    """Yield the samples of a cursor; the first rows tell what the columns mean."""

    def batches(first: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield first
        while rows := cursor.fetchmany(ROWS):
            yield _batch(names, rows)

    rows = cursor.fetchmany(ROWS)
    if rows:
        first = _batch(names, rows)
        yield from tabulated(first.schema, batches(first), pull.where, pull.read_options())


def _batch(names: list[str], rows: list[tuple[object, ...]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([_column(cells) for cells in zip(*rows, strict=True)], names)


def _column(cells: Sequence[object]) -> pa.Array:
    """Return the cells of a column, of which SQLite lets each be of its own type: such a block is text.

    What a cell says is the same either way, and one that is no number or no time is a reject.
    """
    kinds = {type(cell) for cell in cells} - {type(None)}
    if kinds == {int}:
        return pa.array(cells, pa.int64())
    if kinds == {float}:
        return pa.array(cells, pa.float64())
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
