"""Rollup parts: the statistics of each series and bucket, sorted so that some series are one stretch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from capforecast.errors import SchemaError
from capforecast.kernels.rollup import rollup
from capforecast.store.parquet import ROW_GROUP, Part, arrow, numbers, read, write_part
from capforecast.store.pieces import Columns, Piece
from capforecast.store.spans import Span
from capforecast.times import DAY_US

GROUP_SERIES = 1024
"""Row groups begin at multiples of so many series, or of a half, a quarter ... of it where rows are many."""
GROUP_LEAST = 8_192
"""Row groups with fewer rows go together with the next."""
SAMPLED = 32_768
"""Rows whose values decide whether a column is kept as a dictionary."""
STATISTICS = ("count", "mean", "max", "p95", "last", "min")
COLUMNS: dict[str, Any] = {
    "sid": pa.int32(),
    "bucket": pa.int64(),
    "count": pa.int32(),
    **dict.fromkeys(STATISTICS[1:], pa.float64()),
}
DTYPES = {name: np.dtype(kind.to_pandas_dtype()) for name, kind in COLUMNS.items()}


@dataclass(frozen=True, slots=True)
class Rollups:
    """Rollups of some series, sorted by (sid, bucket).

    Attributes
    ----------
    sids : int32 (S,)
        The series that were asked for, rising.
    starts : int64 (S + 1,)
        Series s owns the rows ``starts[s]:starts[s + 1]``.
    bucket : int64 (N,)
        Start of the bucket in steps of the store since the epoch.
    values : dict of float64 (N,)
        The statistics that were asked for.
    samples : int64 (S,)
        Samples in the rollups of each series.
    """

    sids: NDArray[np.int32]
    starts: NDArray[np.int64]
    bucket: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]
    samples: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.bucket.size)

    @property
    def sid(self) -> NDArray[np.int32]:
        """Series of each row, int32 (N,)."""
        return np.repeat(self.sids, np.diff(self.starts))


def no_rollups(sids: NDArray[np.int32], columns: Sequence[str]) -> Rollups:
    """Return rollups of some series that have none."""
    starts, values = np.zeros(sids.size + 1, np.int64), {name: np.empty(0) for name in columns}
    return Rollups(sids, starts, np.empty(0, np.int64), values, np.zeros(sids.size, np.int64))


def compute(
    sid: NDArray[np.int32], ts: NDArray[np.int64], value: NDArray[np.float64], step_us: int, block: int
) -> Piece:
    """Return the rollups of samples that are sorted by series and time, grouped by day."""
    columns: Columns = dict(zip(COLUMNS, rollup(sid, ts, value, step_us), strict=True))
    return Piece.of(columns["bucket"] // (DAY_US // step_us), columns, block)


def write_rollups(store: Path, span: Span, block: int, commit: int, columns: Columns, step_us: int) -> Part:
    """Write one part from rows sorted by (sid, bucket)."""
    days = int(np.unique(columns["bucket"] // (DAY_US // step_us)).size)
    path = f"rollups/{span.name}.b{block:03d}.c{commit:08d}.parquet"
    part = Part("rollups", path, block, span.first, span.last, days)
    table = pa.Table.from_arrays([arrow(columns[name]) for name in COLUMNS], schema=pa.schema(COLUMNS))
    encoding = dict.fromkeys(("sid", "bucket", "count"), "DELTA_BINARY_PACKED")
    groups = row_groups(columns["sid"])
    first = slice(0, (*groups[1:], SAMPLED)[0])
    repeated = [name for name in STATISTICS[1:] if _repeats(columns[name][first])]
    return write_part(store, part, table, groups=groups, use_dictionary=repeated or False, column_encoding=encoding)


def _repeats(values: NDArray[np.float64]) -> bool:
    """Tell whether values repeat so often that a dictionary pays: exporters round, means do not."""
    return pl.Series(values[:SAMPLED]).n_unique() * 2 <= min(values.size, SAMPLED)


def row_groups(sid: NDArray[np.int32]) -> list[int]:
    """Return where the row groups of a part begin, so that a shard of series is a few whole ones.

    Parameters
    ----------
    sid : int32 (N,)
        Series of each row, rising.
    """
    size = GROUP_SERIES
    edges = _edges(sid, size)
    while size > 1 and np.diff(edges, append=sid.size).max(initial=0) > ROW_GROUP:
        size //= 2
        edges = _edges(sid, size)
    starts = [0]
    for edge in edges.tolist():
        if edge - starts[-1] >= GROUP_LEAST and edge < sid.size:
            starts.append(edge)
    return starts


def _edges(sid: NDArray[np.int32], size: int) -> NDArray[np.int64]:
    """Return where multiples of some series begin."""
    return np.flatnonzero(np.diff(sid // size, prepend=-1))


def shards(sids: NDArray[np.int32], size: int) -> list[tuple[int, int]]:
    """Cut series into ranges that begin where row groups do, so that none is read for two shards.

    Parameters
    ----------
    sids : int32 (S,)
        Series, rising.
    size : int
        Most series of a shard; taken down to a multiple of 1024, or below that to a power of two.

    Returns
    -------
    list of (start, stop)
        Places in `sids`; none is empty.
    """
    size = size // GROUP_SERIES * GROUP_SERIES or 1 << max(size, 1).bit_length() - 1
    edges = [*_edges(sids, size).tolist(), sids.size]
    return list(zip(edges, edges[1:], strict=False))


def read_rollups(path: Path) -> Columns:
    """Return all columns of a part."""
    table = read(path, list(COLUMNS))
    return {name: numbers(table.column(name), dtype) for name, dtype in DTYPES.items()}


def checked(columns: Sequence[str]) -> list[str]:
    """Return statistics, each once.

    Raises
    ------
    SchemaError
        A column is no statistic.
    """
    unknown = [name for name in columns if name not in STATISTICS]
    if unknown:
        raise SchemaError("a rollup column must be one of " + ", ".join(STATISTICS), got=", ".join(map(repr, unknown)))
    return list(dict.fromkeys(columns))


def in_order(columns: Columns) -> Columns:
    """Sort rows by (sid, bucket)."""
    order = np.lexsort((columns["bucket"], columns["sid"]))
    return {name: column[order] for name, column in columns.items()}
