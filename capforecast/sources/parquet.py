"""Parquet files, long or wide, opened with pyarrow, which refuses damaged ones and stays alive.

The footer is checked before any data: rows and decompressed bytes must stay in proportion to the size of
the file. Page checksums are verified where the writer left some.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.arrow import Table, as_text, is_text
from capforecast.sources.content import FREE_BYTES, MAX_RATIO, STDIN, raw_head, shown
from capforecast.sources.merged import CHECKED_ROWS
from capforecast.sources.samples import joined

BATCH_ROWS = 1_000_000
"""Samples decoded at once."""
FREE_ROWS = 50_000_000
"""Rows that are never held against a file, however small it is."""
MAX_ROWS_PER_BYTE = 50
"""Most rows for one byte of the file, beyond `FREE_ROWS`."""
MAX_ROWS = 20_000_000_000
"""Most rows of one file."""

_MAGIC = b"PAR1"


class Parquet:
    """Parquet; times may be timestamps of any unit and zone, dates, numbers since the epoch or text."""

    name = "parquet"
    general = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell whether the content begins as Parquet does."""
        return head.startswith(_MAGIC)

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The file is unreadable, truncated, damaged or out of proportion.
        SchemaError
            A needed column is missing, doubled or of a type that cannot hold it.
        """
        yield from joined(_batches(location, options), options.chunk_rows)


def _batches(location: str, options: ReadOptions) -> Iterator[Batch]:
    with _errors(location):
        size = _checked_size(location)
        with pq.ParquetFile(
            location, memory_map=False, coerce_int96_timestamp_unit="us", page_checksum_verification=True
        ) as file:
            _check_footer(file.metadata, size, location)
            schema = file.schema_arrow
            sample = _first_rows(file, schema)
            table = Table(schema, sample, location, options)
            if table.looked_at != table.wanted:
                for first in islice(file.iter_batches(batch_size=CHECKED_ROWS, columns=table.looked_at), 1):
                    table.check(first)
            size_of_batch = max(1, BATCH_ROWS // len(table.layout.metrics))
            for batch in file.iter_batches(batch_size=size_of_batch, columns=table.wanted):
                yield table.taken(batch)
            if table.seen != file.metadata.num_rows:
                raise SourceError(
                    "the file must hold the rows its footer names",
                    got=f"{table.seen} of {file.metadata.num_rows}",
                    where=shown(location),
                )


@contextmanager
def _errors(location: str) -> Iterator[None]:
    """Turn what pyarrow raises on damaged files into a `SourceError`."""
    try:
        yield
    except (SourceError, SchemaError):
        raise
    except (pa.ArrowException, OSError, UnicodeError, MemoryError) as error:
        raise SourceError(
            "a Parquet file must be whole and undamaged",
            got=(str(error).splitlines() or [type(error).__name__])[0],
            where=shown(location),
            do="Nothing of it was taken. Copy or export the file again",
        ) from error


def _checked_size(location: str) -> int:
    if location == STDIN:
        raise SourceError(
            "Parquet must be read from a file, since it begins at its end",
            where=shown(location),
            do="Write it to a file first",
        )
    start = raw_head(location)
    if not start.startswith(_MAGIC):
        raise SourceError(
            "a Parquet file must begin with PAR1",
            got=repr(start[:4]),
            where=shown(location),
            do="If it is compressed as a whole, decompress it first",
        )
    return os.stat(location).st_size


def _check_footer(metadata: Any, size: int, location: str) -> None:
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    rows, stored = metadata.num_rows, sum(group.total_byte_size for group in groups)
    if rows < 0 or rows != sum(group.num_rows for group in groups):
        raise SourceError("the footer must count its rows", got=f"{rows} rows in all", where=shown(location))
    if rows > MAX_ROWS or rows > FREE_ROWS + MAX_ROWS_PER_BYTE * size:
        raise SourceError(
            f"a Parquet file may hold at most {MAX_ROWS} rows and {MAX_ROWS_PER_BYTE} for each byte",
            got=f"{rows} rows in {size} bytes",
            where=shown(location),
            do="If the file is right, split it",
        )
    if stored > FREE_BYTES + MAX_RATIO * size:
        raise SourceError(
            f"a Parquet file may decompress to at most {MAX_RATIO} times its size",
            got=f"{stored} bytes out of {size}",
            where=shown(location),
            do="If the file is right, split it or write it with less compression",
        )


def _first_rows(file: Any, schema: Any) -> dict[int, pl.Series]:
    """Return the first cells of the text columns by number."""
    texts = [i for i, field in enumerate(schema) if is_text(field.type)]
    names = [schema.names[i] for i in texts]
    if len(set(names)) < len(names) or not names or not file.metadata.num_rows:
        return {}
    head = next(file.iter_batches(batch_size=1000, columns=names), None)
    if head is None:
        return {}
    head.validate(full=True)
    return {i: as_text(head.column(k)) for k, i in enumerate(texts)}
