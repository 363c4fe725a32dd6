"""A query of a SQLite database, which is opened for reading and may do nothing else."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
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
    """Yield the samples of a cursor; a column has one type, that of its first rows."""

    def batches(first: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
        yield first
        while rows := cursor.fetchmany(ROWS):
            yield _batch(names, rows, first.schema)

    rows = cursor.fetchmany(ROWS)
    if rows:
        first = _batch(names, rows, None)
        yield from tabulated(first.schema, batches(first), pull.where, pull.read_options())


def _batch(names: list[str], rows: list[tuple[object, ...]], schema: pa.Schema | None) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True))
    arrays = []
    for k, cells in enumerate(columns):
        kinds = {type(cell) for cell in cells} - {type(None)}
        number = schema is not None and not pa.types.is_string(schema.field(k).type)
        if kinds <= {int, float} and (schema is None or number):
            whole = kinds == {int} if schema is None else pa.types.is_integer(schema.field(k).type)
            arrays.append(pa.array(cells, pa.int64() if whole and kinds <= {int} else pa.float64()))
        else:
            arrays.append(pa.array([None if cell is None else str(cell) for cell in cells], pa.string()))
    batch = pa.RecordBatch.from_arrays(arrays, names)
    return batch if schema is None else batch.cast(schema)
