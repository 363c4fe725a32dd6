"""Parquet files, long or wide, opened with pyarrow, which refuses damaged ones and stays alive.

The footer is checked before any data: rows and decompressed bytes must stay in proportion to the size of
the file. Page checksums are verified where the writer left some.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.errors import SchemaError, SourceError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.columns import Column, Layout, recognise
from capforecast.sources.content import FREE_BYTES, MAX_RATIO, STDIN, raw_head, shown
from capforecast.sources.moments import Clock, Moments, check_zone, clock_for, kind_of, localised, read
from capforecast.sources.records import MAX_RAW
from capforecast.sources.samples import assemble, joined

BATCH_ROWS = 1_000_000
"""Samples decoded at once."""
FREE_ROWS = 50_000_000
"""Rows that are never held against a file, however small it is."""
MAX_ROWS_PER_BYTE = 50
"""Most rows for one byte of the file, beyond `FREE_ROWS`."""
MAX_ROWS = 20_000_000_000
"""Most rows of one file."""

_MAGIC = b"PAR1"
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_US = 86_400_000_000
_LAST_US = 9_200_000_000_000_000_000


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
            columns = [Column(name, _kind(schema.field(i).type, sample.get(i))) for i, name in enumerate(schema.names)]
            layout = recognise(columns, options, location)
            _check_types(layout, schema, location)
            wanted = [schema.names[i] for i in layout.wanted]
            places = {i: k for k, i in enumerate(layout.wanted)}
            clock: Clock | None = None
            size_of_batch = max(1, BATCH_ROWS // len(layout.metrics))
            seen = 0
            for batch in file.iter_batches(batch_size=size_of_batch, columns=wanted):
                batch.validate(full=True)
                cells = _ArrowCells(batch, places, seen, options)
                if "ts" in layout.roles and clock is None:
                    clock = cells.set_clock(layout.roles["ts"], location)
                cells.clock = clock
                seen += batch.num_rows
                yield assemble(cells, layout, options)
            if seen != file.metadata.num_rows:
                raise SourceError(
                    "the file must hold the rows its footer names",
                    got=f"{seen} of {file.metadata.num_rows}",
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
    texts = [i for i, field in enumerate(schema) if _is_text(field.type)]
    names = [schema.names[i] for i in texts]
    if len(set(names)) < len(names) or not names or not file.metadata.num_rows:
        return {}
    head = next(file.iter_batches(batch_size=1000, columns=names), None)
    if head is None:
        return {}
    head.validate(full=True)
    return {i: _as_text(head.column(k)) for k, i in enumerate(texts)}


def _is_text(kind: Any) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _kind(kind: Any, cells: pl.Series | None) -> str:
    if _is_number(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if _is_text(kind):
        return "text" if cells is None else kind_of(cells)
    return "other"


def _check_types(layout: Layout, schema: Any, location: str) -> None:
    wrong: list[tuple[int, str]] = []
    for role, i in layout.roles.items():
        kind = schema.field(i).type
        if role == "ts" and _kind(kind, None) == "other":
            wrong.append((i, "times"))
        if role != "ts" and not (_is_text(kind) or pa.types.is_integer(kind)):
            wrong.append((i, "text or whole numbers"))
    for metric in layout.metrics:
        kind = schema.field(metric.index).type
        if not (_is_text(kind) or _is_number(kind)):
            wrong.append((metric.index, "numbers"))
    for i, must in wrong:
        raise SchemaError(
            f"column {schema.names[i]!r} must hold {must}",
            got=str(schema.field(i).type),
            where=shown(location),
            do="Convert the column, or choose another with --map",
        )


def _as_text(array: Any) -> pl.Series:
    """Return text without outer blanks; dictionaries are cleaned by value, not by row."""
    if not pa.types.is_dictionary(array.type):
        cells = pl.Series(pl.from_arrow(array)).cast(pl.String).str.strip_chars()
        empty = cells == ""
        return cells.set(empty, None) if empty.any() else cells
    distinct = _as_text(array.dictionary)
    if len(distinct) == 1 and not array.null_count:
        return distinct.new_from_index(0, len(array))
    return distinct.gather(pl.Series(pl.from_arrow(array.indices)))


class _ArrowCells:
    """Cells of one record batch."""

    def __init__(self, batch: Any, places: dict[int, int], seen: int, options: ReadOptions):
        self._batch, self._places, self._options = batch, places, options
        self.ordinals = np.arange(seen, seen + batch.num_rows, dtype=np.int64)
        self.lines = self.ordinals + 1
        self.clock: Clock | None = None

    def _array(self, index: int) -> Any:
        return self._batch.column(self._places[index])

    def text(self, index: int) -> pl.Series:
        return _as_text(self._array(index))

    def numbers(self, index: int) -> tuple[pl.Series, pl.Series]:
        array = self._array(index)
        if _is_text(array.type):
            cells = _as_text(array)
            return cells.cast(pl.Float64, strict=False), cells.is_null()
        values = pl.Series(pl.from_arrow(array.cast(pa.float64(), safe=False)))
        return values, values.is_null()

    def set_clock(self, index: int, location: str) -> Clock | None:
        """Decide how times are read that are numbers or text; timestamps and dates need no clock."""
        array = self._array(index)
        if _kind(array.type, None) == "time":
            check_zone(self._options.timezone)
            return None
        where = f"{shown(location)}, column {self._batch.schema.names[self._places[index]]!r}"
        return clock_for(self._plain(array), self._options, where)

    def moments(self, index: int) -> Moments:
        array = self._array(index)
        if _kind(array.type, None) != "time":
            assert self.clock is not None
            return read(self._plain(array), self.clock)
        if pa.types.is_date(array.type):
            days = array.cast(pa.date32(), safe=False).cast(pa.int32())
            us, naive = pl.Series(pl.from_arrow(days)).cast(pl.Int64) * _DAY_US, True
        else:
            count = pl.Series(pl.from_arrow(array.cast(pa.int64())))
            per_second = _PER_SECOND[array.type.unit]
            times, parts = max(1, 1_000_000 // per_second), max(1, per_second // 1_000_000)
            near = count.abs() <= _LAST_US // times
            us = pl.select(pl.when(near).then(count * times // parts)).to_series()
            naive = array.type.tz is None
        bad = None
        if us.null_count():
            empty = pl.Series(pl.from_arrow(array.is_null()))
            bad = pl.select(
                pl.when(empty).then(pl.lit("time is empty")).when(us.is_null()).then(pl.lit("time is out of range"))
            ).to_series()
        return localised(us, self._options.timezone, bad) if naive else Moments(us, bad)

    @staticmethod
    def _plain(array: Any) -> pl.Series:
        if _is_text(array.type):
            return _as_text(array)
        kind = pa.int64() if pa.types.is_integer(array.type) else pa.float64()
        return pl.Series(pl.from_arrow(array.cast(kind, safe=False)))

    def raw(self, row: int) -> str:
        names = self._batch.schema.names
        return ", ".join(f"{n}={_cell(self._batch.column(k)[row])}" for k, n in enumerate(names))[:MAX_RAW]


def _cell(scalar: Any) -> str:
    if pa.types.is_temporal(scalar.type):
        # Python cannot hold every time that a file can.
        return str(scalar.value)
    return repr(scalar.as_py())
