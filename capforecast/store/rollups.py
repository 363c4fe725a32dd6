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
from capforecast.store import spans
from capforecast.store.parquet import Part, read, read_groups, write_part
from capforecast.store.pieces import Columns, Piece
from capforecast.store.spans import Span

DAY_US = 86_400_000_000
STATISTICS = ("count", "mean", "max", "p95", "last", "min")
COLUMNS: dict[str, Any] = {
    "sid": pa.int32(),
    "bucket": pa.int64(),
    "count": pa.int32(),
    **dict.fromkeys(STATISTICS[1:], pa.float64()),
}


@dataclass(frozen=True, slots=True)
class Rollups:
    """Rollups of some series, sorted by (sid, bucket).

    Attributes
    ----------
    sid : int32 (N,)
        Series.
    bucket : int64 (N,)
        Start of the bucket in steps of the store since the epoch.
    values : dict of float64 (N,)
        The statistics that were asked for.
    """

    sid: NDArray[np.int32]
    bucket: NDArray[np.int64]
    values: dict[str, NDArray[np.float64]]

    def __len__(self) -> int:
        return int(self.sid.size)


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
    table = pa.Table.from_arrays([pa.array(columns[name]) for name in COLUMNS], schema=pa.schema(COLUMNS))
    encoding = dict.fromkeys(("sid", "bucket", "count"), "DELTA_BINARY_PACKED")
    return write_part(store, part, table, use_dictionary=False, column_encoding=encoding)


def read_rollups(path: Path) -> Columns:
    """Return all columns of a part."""
    table = read(path, list(COLUMNS))
    return _arrays(table, list(COLUMNS))


def _arrays(table: pa.Table, names: Sequence[str]) -> Columns:
    # Arrow's own conversion loads pandas where that is installed, which costs a quarter of a second.
    frame = pl.DataFrame(table.select(list(names)))
    return {name: frame.get_column(name).to_numpy() for name in names}


def in_order(columns: Columns) -> Columns:
    """Sort rows by (sid, bucket)."""
    order = np.lexsort((columns["bucket"], columns["sid"]))
    return {name: column[order] for name, column in columns.items()}


def select(
    store: Path,
    parts: list[Part],
    sids: NDArray[np.int32] | None,
    columns: Sequence[str],
    buckets: tuple[int, int],
) -> Rollups:
    """Return rollups of some series from parts.

    Parameters
    ----------
    store, parts
        Where to look.
    sids : int32 array, optional
        Series; all without it.
    columns : sequence of str
        Statistics.
    buckets : (first, end)
        First bucket, and the first one that is not wanted any more.

    Raises
    ------
    SchemaError
        A column is no statistic.
    """
    unknown = [name for name in columns if name not in STATISTICS]
    if unknown:
        raise SchemaError("a rollup column must be one of " + ", ".join(STATISTICS), got=", ".join(map(repr, unknown)))
    wanted_sids = None if sids is None else np.unique(np.asarray(sids, np.int32))
    if wanted_sids is not None:
        blocks = set((wanted_sids // spans.BLOCK).tolist())
        parts = [part for part in parts if part.block in blocks]

    def wanted(stats: dict[str, tuple[Any, Any]]) -> bool:
        if "bucket" in stats and (stats["bucket"][0] >= buckets[1] or stats["bucket"][1] < buckets[0]):
            return False
        if wanted_sids is None or "sid" not in stats:
            return True
        low, high = stats["sid"]
        at = int(np.searchsorted(wanted_sids, low))
        return at < wanted_sids.size and int(wanted_sids[at]) <= high

    names = ["sid", "bucket", *dict.fromkeys(columns)]
    found: list[Columns] = [{name: np.empty(0, str(COLUMNS[name]).replace("double", "float64")) for name in names}]
    for part in parts:
        for table in read_groups(store / part.path, names, wanted):
            rows = _arrays(table, names)
            keep = (rows["bucket"] >= buckets[0]) & (rows["bucket"] < buckets[1])
            if wanted_sids is not None:
                keep &= np.isin(rows["sid"], wanted_sids, kind="table")
            found.append(rows if keep.all() else {name: column[keep] for name, column in rows.items()})
    joined = {name: np.concatenate([rows[name] for rows in found]) for name in names}
    if len(found) > 2:
        joined = _by_sid(joined)
    return Rollups(joined["sid"], joined["bucket"], {name: joined[name].astype(np.float64) for name in names[2:]})


def _by_sid(columns: Columns) -> Columns:
    # Parts follow each other in time and each is sorted, so a stable sort by series is enough.
    piece = Piece.of(columns["sid"].astype(np.int64), columns)
    return piece.columns
