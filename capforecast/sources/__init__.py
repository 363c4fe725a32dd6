"""Where samples come from: the contract of a source.

A source turns one location into batches of samples and keeps every row it could not read. It knows
nothing of the store; what is acceptable is decided by ``ingest``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

ROWS: dict[str, pl.DataType] = {
    "host": pl.String(),
    "metric": pl.String(),
    "instance": pl.String(),
    "unit": pl.String(),
    "ts": pl.Int64(),
    "value": pl.Float64(),
    "line": pl.Int64(),
}
"""Columns of `Batch.rows`: ts in microseconds since the epoch, value as read (NaN and inf included),
line counts rows of the source from 1 (for text: the physical line; for JSON documents: the data point)."""

NATURE = pl.Enum(["gauge", "counter"])
"""Type of the column `nature`, which `Batch.rows` may have after those of `ROWS`: a counter only grows, but
for its restarts at zero, and means something by its rate alone; null where the source does not know."""

REJECTS: dict[str, pl.DataType] = {"line": pl.Int64(), "reason": pl.String(), "raw": pl.String()}
"""Columns of `Batch.rejects`: rows that could not be turned into a sample, with the text as it stood
(its first 2000 characters)."""


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read a location when it does not say so itself.

    Attributes
    ----------
    mapping : dict
        Canonical column (host, metric, instance, unit, ts, value) to the source's column name, or to
        its number from 0 where there is no header.
    format : str, optional
        Name of the source ("delimited", "jsonl", "parquet"); recognised from the content otherwise.
    timezone : str
        Zone of times that carry none.
    epoch : str, optional
        Unit of whole-number times: s, ms, us or ns; recognised from their size otherwise.
    time_format : str, optional
        strftime format of times in text, such as ``%d/%m/%Y %H:%M``; ISO 8601 is recognised without.
    decimal : str, optional
        How numbers in text are written: "point" (1,234.5) or "comma" (1.234,5); without it neither has groups.
    delimiter, encoding : str, optional
        Of text; recognised otherwise.
    header : bool, optional
        Does the first line name the columns; recognised otherwise.
    layout : str, optional
        "long", "wide", "rows" (one series per row, one column per step) or "hosts" (one column per host); long and
        wide are recognised.
    host, metric, unit : str, optional
        Used for every row where the data have no such column.
    start_us, step_us : int, optional
        Times of rows without any time: start + row number x step (the number counts bad rows too).
    chunk_rows : int
        Most rows of a batch.
    """

    mapping: dict[str, str] = field(default_factory=dict)
    format: str | None = None
    timezone: str = "UTC"
    epoch: str | None = None
    time_format: str | None = None
    decimal: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    header: bool | None = None
    layout: str | None = None
    host: str | None = None
    metric: str | None = None
    unit: str | None = None
    start_us: int | None = None
    step_us: int | None = None
    chunk_rows: int = 12_000_000


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples of a source (`ROWS`) and what could not be read (`REJECTS`), in the order of the source.

    All batches of one reading have the column `nature`, or none of them has it. `left_out` names the columns of
    which nothing is read, though something stands in them.
    """

    rows: pl.DataFrame
    rejects: pl.DataFrame
    left_out: tuple[str, ...] = ()

    @property
    def nature(self) -> pl.Series:
        """Return what each row is (`NATURE`), all null where the source says nothing about it."""
        if "nature" in self.rows.columns:
            return self.rows["nature"]
        return pl.Series("nature", [None], dtype=NATURE).new_from_index(0, self.rows.height)


class Source(Protocol):
    """One way to read a location.

    Attributes
    ----------
    name : str
        As in the registry.
    general : bool
        It reads tables of any program, and gives way to a source that knows the one which wrote the location.
    """

    name: str
    general: bool

    def claims(self, location: str, head: bytes) -> bool:
        """Tell from the location's name and its first (decompressed) bytes whether this source reads it."""
        ...

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the location's samples.

        Raises
        ------
        SourceError
            The location is unreadable, truncated or not recognised; the message names the option to add.
        SchemaError
            A needed column is missing, doubled or of a type that cannot hold it.
        """
        ...
