"""DuckDB databases of other people: opened for reading, locked down, and asked one query."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from threading import Timer
from typing import Any

import duckdb

from capforecast.errors import SourceError
from capforecast.store.database import CATALOG_SETTINGS

ROWS = 1_000_000
"""Rows in memory at a time."""


def answers(path: str, query: str, seconds: float, where: str) -> Iterator[Any]:
    """Yield the schema of an answer, then its record batches.

    Parameters
    ----------
    path : str
        A DuckDB file; nothing beside it can be read or written.
    query : str
        SQL.
    seconds : float
        How long it may take.
    where : str
        What messages name.

    Raises
    ------
    SourceError
        The file is no database, the query is wrong or takes too long.
    """
    end = time.monotonic() + seconds
    try:
        with closing(duckdb.connect(path, read_only=True, config=CATALOG_SETTINGS)) as con:
            for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
                con.execute(f"SET GLOBAL {setting}")
            watch = Timer(seconds, con.interrupt)
            watch.daemon = True
            watch.start()
            try:
                relation = con.sql(query)
                if relation is None:
                    raise SourceError("a query must return rows", got="none", where=where)
                reader = relation.to_arrow_reader(ROWS)
                yield reader.schema
                yield from reader
            finally:
                watch.cancel()
    except (duckdb.Error, OSError) as error:
        if isinstance(error, SourceError):
            raise
        got = f"more than {seconds:g} seconds" if time.monotonic() >= end else str(error).splitlines()[0]
        raise SourceError("a query must read, in time", got=got, where=where) from error
