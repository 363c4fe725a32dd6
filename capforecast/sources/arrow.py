"""Arrow record batches as rows of a source, long or wide: of Parquet files and of databases."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from capforecast.errors import SchemaError
from capforecast.sources import Batch, ReadOptions
from capforecast.sources.columns import Layout, recognise
from capforecast.sources.content import shown
from capforecast.sources.measured import column_kind
from capforecast.sources.merged import CHECKED_ROWS, refuse_merged
from capforecast.sources.moments import PER_SECOND, Clock, Moments, check_zone, clock_for, localised, read
from capforecast.sources.records import MAX_RAW
from capforecast.sources.roles import Column
from capforecast.sources.samples import assemble, text_numbers
from capforecast.times import DAY_US

_SAMPLE = 1000
_LAST_US = 9_200_000_000_000_000_000


class Table:
    """What the columns of a table mean, and how far its batches have been read.

    Parameters
    ----------
    schema : pyarrow.Schema
        Of the whole table.
    sample : mapping of int to Series
        First cells of the text columns, by number; they tell which of them are times or numbers.
    location : str
        What messages name.
    options : ReadOptions
        How the table is read.

    Raises
    ------
    SchemaError
        A needed column is missing, doubled or of a type that cannot hold it.
    """

    def __init__(self, schema: Any, sample: Mapping[int, pl.Series], location: str, options: ReadOptions):
        self._location, self._options, self.seen = location, options, 0
        kinds = [_kind(field.type, sample.get(i), options.decimal) for i, field in enumerate(schema)]
        columns = [Column(name, kind) for name, kind in zip(schema.names, kinds, strict=True)]
        layout = recognise(columns, options, location)
        held = {i: name for i, name in layout.left_out.items() if not pa.types.is_null(schema.field(i).type)}
        self.layout = replace(layout, left_out=held)
        _check_types(self.layout, schema, location)
        self.wanted = [schema.names[i] for i in self.layout.wanted]
        self._names = [i for i in self.layout.left_out if _can_name(schema.field(i).type)]
        self.looked_at = [schema.names[i] for i in (*self.layout.wanted, *self._names)]
        """Columns of the first rows by which `check` sees whether these become the series that they are of."""
        self._places = {i: k for k, i in enumerate((*self.layout.wanted, *self._names))}
        self._clock: Clock | None = None

    def taken(self, batch: Any) -> Batch:
        """Return the samples of the next record batch, which has the columns `wanted`."""
        cells = self._cells(batch)
        self.seen += batch.num_rows
        return assemble(cells, self.layout, self._options)

    def check(self, head: Any) -> None:
        """Raise SchemaError where the first rows, with the columns `looked_at`, are of series that would be merged."""
        if self._names and head.num_rows:
            cells = self._cells(head)
            batch = assemble(cells, self.layout, self._options)
            refuse_merged(batch, cells, self.layout, self._location, self._names)

    def _cells(self, batch: Any) -> _ArrowCells:
        batch.validate(full=True)
        cells = _ArrowCells(batch, self._places, self.seen, self._options)
        if "ts" in self.layout.roles and self._clock is None:
            self._clock = cells.set_clock(self.layout.roles["ts"], self._location)
        cells.clock = self._clock
        return cells


def is_text(kind: Any) -> bool:
    """Tell whether an Arrow type is text, also as a dictionary."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _can_name(kind: Any) -> bool:
    return is_text(kind) or bool(pa.types.is_integer(kind))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _kind(kind: Any, cells: pl.Series | None, decimal: str | None = None) -> str:
    if _is_number(kind):
        return "number"
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return "time"
    if is_text(kind):
        return "text" if cells is None else column_kind(cells, decimal)
    return "other"


def _check_types(layout: Layout, schema: Any, location: str) -> None:
    wrong: list[tuple[int, str]] = []
    for role, i in layout.roles.items():
        kind = schema.field(i).type
        if role == "ts" and _kind(kind, None) == "other":
            wrong.append((i, "times"))
        if role != "ts" and not _can_name(kind):
            wrong.append((i, "text or whole numbers"))
    for metric in layout.metrics:
        kind = schema.field(metric.index).type
        if not (is_text(kind) or _is_number(kind)):
            wrong.append((metric.index, "numbers"))
    for i, must in wrong:
        raise SchemaError(
            f"column {schema.names[i]!r} must hold {must}",
            got=str(schema.field(i).type),
            where=shown(location),
            do="Convert the column, or choose another with --map",
        )


def as_text(array: Any) -> pl.Series:
    """Return text without outer blanks; dictionaries are cleaned by value, not by row."""
    if not pa.types.is_dictionary(array.type):
        if pa.types.is_float16(array.type) or pa.types.is_decimal(array.type):
            # polars does not have all of these numbers.
            array = array.cast(pa.string())
        cells = pl.Series(pl.from_arrow(array)).cast(pl.String).str.strip_chars()
        empty = cells == ""
        return cells.set(empty, None) if empty.any() else cells
    distinct = as_text(array.dictionary)
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
        return as_text(self._array(index))

    def numbers(self, index: int) -> tuple[pl.Series, pl.Series]:
        array = self._array(index)
        if is_text(array.type):
            return text_numbers(as_text(array), self._options.decimal)
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
            us, naive = pl.Series(pl.from_arrow(days)).cast(pl.Int64) * DAY_US, True
        else:
            count = pl.Series(pl.from_arrow(array.cast(pa.int64())))
            per_second = PER_SECOND[array.type.unit]
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
        if is_text(array.type):
            return as_text(array)
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


def tabulated(schema: Any, batches: Iterator[Any], location: str, options: ReadOptions) -> Iterator[Batch]:
    """Yield the samples of record batches that come one after the other; the first tells what text means.

    Raises
    ------
    SchemaError
        A needed column is missing, doubled or of a type that cannot hold it.
    """
    table: Table | None = None
    for batch in batches:
        if table is None:
            head = batch.slice(0, _SAMPLE)
            texts = {i: as_text(head.column(i)) for i, field in enumerate(schema) if is_text(field.type)}
            table = Table(schema, texts, location, options)
            table.check(batch.slice(0, CHECKED_ROWS).select(table.looked_at))
        if batch.num_rows:
            yield table.taken(batch.select(table.wanted))
