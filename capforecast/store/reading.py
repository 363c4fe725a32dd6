"""Rollups of some series out of the parts: row groups are chosen, and mostly also laid out, by arithmetic.

A part is sorted by (sid, bucket) and has each pair once. So where a row group has as many rows as its series
times its buckets, it has them all, and which row is whose follows from the bounds in the file's footer:
sid and bucket are read only where something is missing.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capforecast.kernels.stitch import stitch
from capforecast.store import spans
from capforecast.store.index import Buckets, Index, Ints, Sids
from capforecast.store.parquet import TAIL, Part, expect, numbers, opened, stretches
from capforecast.store.pieces import Columns
from capforecast.store.rollups import DTYPES, Rollups, checked
from capforecast.store.spans import Span

BLOCKS_KEPT = 4
"""Blocks of series whose footers stay in memory: threads work on neighbours."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of a row group that were asked for, before their values are read.

    Attributes
    ----------
    index, group
        The row group.
    first : int
        Which of the series asked for is the first one here.
    lengths : int64 (S,)
        Rows of each series.
    bucket : int
        First bucket of each series where the row group is whole and buckets count up from there, -1 else.
    width : int
        Rows per series where the row group is whole, -1 else.
    place : slice, array or tuple
        Which of the row group's rows these are, in the shape (series, width) where it is whole.
    """

    index: Index
    group: int
    first: int
    lengths: Ints
    bucket: int
    width: int
    place: Any

    def cut(self, column: NDArray[Any]) -> NDArray[Any]:
        """Return what a column of the row group has for these rows."""
        rows: NDArray[Any] = (column if self.width < 0 else column.reshape(-1, self.width))[self.place]
        return rows.ravel()


class Reader:
    """The rollups of a store as of one commit; safe in several threads.

    Parameters
    ----------
    store : Path
        Directory of the store.
    parts : sequence of Part
        All rollup parts, by span.
    """

    def __init__(self, store: Path, parts: Sequence[Part]):
        self._store = store
        self._parts: dict[int, list[Part]] = {}
        for part in parts:
            self._parts.setdefault(part.block, []).append(part)
        self._indexes: OrderedDict[int, dict[str, Index]] = OrderedDict()
        self._turn = Lock()

    def select(self, sids: Sids | None, columns: Sequence[str], buckets: Buckets, days: Span) -> Rollups:
        """Return rollups of some series.

        Parameters
        ----------
        sids : int32 array, optional
            Series; all without it.
        columns : sequence of str
            Statistics.
        buckets : (first, end)
            First bucket, and the first one that is not wanted any more.
        days : Span
            Days that these buckets lie in.

        Raises
        ------
        SchemaError
            A column is no statistic.
        StoreError
            A file is missing or damaged.
        """
        names, buckets = checked(columns), (buckets[0], max(buckets))
        wanted = self._all() if sids is None else np.unique(np.asarray(sids, np.int32))
        blocks = np.unique(wanted // spans.BLOCK).tolist()
        indexes = [index for block in blocks for index in self._of_block(block, days)]
        if len(blocks) == 1:
            for index in indexes:
                _expect(index, wanted, names, buckets)
        pieces = [piece for index in indexes for piece in _pieces(index, wanted, buckets)]
        found = _laid_out(wanted, names, pieces)
        ends = found.starts[:-1].copy()
        for _, those in groupby(pieces, lambda piece: piece.index.path):
            _fill(found, ends, list(those))
        return found if sids is not None else _without_empty(found)

    def _all(self) -> Sids:
        blocks = [np.arange(block * spans.BLOCK, (block + 1) * spans.BLOCK) for block in sorted(self._parts)]
        return np.concatenate([np.empty(0, np.int32), *blocks]).astype(np.int32)

    def _of_block(self, block: int, days: Span) -> list[Index]:
        """Return the indexes of a block's parts that touch some days, by span."""
        parts = [p for p in self._parts.get(block, ()) if p.first_day <= days.last and p.last_day >= days.first]
        with self._turn:
            known = self._indexes.setdefault(block, {})
            self._indexes.move_to_end(block)
            if len(self._indexes) > BLOCKS_KEPT:
                self._indexes.popitem(last=False)
            new = [part for part in parts if part.path not in known]
            for part in new:
                expect(self._store / part.path, [(max(part.bytes - TAIL, 0), TAIL)])
            for part in new:
                known[part.path] = Index.of(self._store / part.path)
            return [known[part.path] for part in parts]


def _expect(index: Index, wanted: Sids, names: Sequence[str], buckets: Buckets) -> None:
    """Have the operating system fetch what will be read of a part."""
    coming = []
    for group in index.chosen(wanted, buckets):
        keys = () if index.whole(group) else ("sid",)
        places = [index.names.index(name) for name in (*index.needed(group, names), *keys)]
        coming += stretches(index.footer, group, places)
    if coming:
        expect(index.path, coming)


def _pieces(index: Index, wanted: Sids, buckets: Buckets) -> list[_Piece]:
    """Find the wanted rows of a part."""
    groups = index.chosen(wanted, buckets)
    torn = [group for group in groups if not index.whole(group)]
    keys: dict[int, Columns] = {}
    if torn:
        with opened(index.path, index.footer) as file:
            for group in torn:
                keys[group] = _read(file, group, ("sid",) if index.within(group, buckets) else ("sid", "bucket"))
    pieces = []
    for group in groups:
        first, stop = np.searchsorted(wanted, index.sid[group] + np.array([0, 1], np.int32)).tolist()
        sids = wanted[first:stop]
        pieces.append(
            _torn(index, group, first, sids, keys[group], buckets)
            if group in keys
            else _whole(index, group, first, sids, buckets)
        )
    return pieces


def _read(file: Any, group: int, names: Sequence[str]) -> Columns:
    # A shard has a thread of its own; more of them would only be in each other's way.
    table = file.read_row_group(group, columns=list(names), use_threads=False)
    return {name: numbers(table.column(name), DTYPES[name]) for name in names}


def _whole(index: Index, group: int, first: int, sids: Sids, buckets: Buckets) -> _Piece:
    """Find series and buckets in a row group that has all of its box."""
    low, (begin, last) = int(index.sid[group, 0]), index.bucket[group].tolist()
    start, stop = max(begin, buckets[0]), min(last + 1, buckets[1])
    rows: Any = sids - low
    if int(sids[-1]) - int(sids[0]) == sids.size - 1:
        rows = slice(int(sids[0]) - low, int(sids[-1]) - low + 1)
    lengths = np.full(sids.size, stop - start)
    place = (rows, slice(start - begin, stop - begin))
    return _Piece(index, group, first, lengths, start, last + 1 - begin, place)


def _torn(index: Index, group: int, first: int, sids: Sids, keys: Columns, buckets: Buckets) -> _Piece:
    """Find series and buckets in a row group with gaps."""
    sid, inside = keys["sid"], None
    if "bucket" in keys:
        inside = np.flatnonzero((keys["bucket"] >= buckets[0]) & (keys["bucket"] < buckets[1]))
        sid = sid[inside]
    starts, stops = np.searchsorted(sid, sids, "left"), np.searchsorted(sid, sids, "right")
    lengths = stops - starts
    total = int(lengths.sum())
    rows: Any = slice(int(starts[0]), int(stops[-1]))
    if total != rows.stop - rows.start:
        # Series that nobody asked for lie between the wanted ones.
        rows = np.arange(total) + np.repeat(starts - (np.cumsum(lengths) - lengths), lengths)
    if inside is not None:
        rows = inside[rows]
    return _Piece(index, group, first, lengths, -1, -1, rows)


def _laid_out(wanted: Sids, names: Sequence[str], pieces: Sequence[_Piece]) -> Rollups:
    """Make room for the rows of pieces, series by series."""
    lengths = np.zeros(wanted.size, np.int64)
    for piece in pieces:
        lengths[piece.first : piece.first + piece.lengths.size] += piece.lengths
    starts = np.append(0, np.cumsum(lengths))
    values = {name: np.empty(starts[-1]) for name in names}
    return Rollups(wanted, starts, np.empty(starts[-1], np.int64), values, np.zeros(wanted.size, np.int64))


def _fill(found: Rollups, ends: Ints, pieces: Sequence[_Piece]) -> None:
    """Read the values of pieces of one part and put them behind what their series have so far."""
    index = pieces[0].index
    with opened(index.path, index.footer) as file:
        for piece in pieces:
            those = slice(piece.first, piece.first + piece.lengths.size)
            columns = _read(file, piece.group, index.needed(piece.group, list(found.values)))
            if piece.width >= 0:
                rising = np.arange(piece.bucket, piece.bucket + int(piece.lengths[0]))
                rows = np.tile(rising, piece.lengths.size)
            else:
                rows = piece.cut(columns["bucket"])
            _stitch(piece.lengths, rows, ends[those], found.bucket)
            for name, out in found.values.items():
                _stitch(piece.lengths, piece.cut(columns[name]), ends[those], out)
            if index.even(piece.group):
                found.samples[those] += piece.lengths * index.count[piece.group, 0]
            else:
                found.samples[those] += _totals(piece.cut(columns["count"]), piece.lengths)
            ends[those] += piece.lengths


def _totals(count: NDArray[Any], lengths: Ints) -> Ints:
    total, ends = np.append(0, np.cumsum(count, dtype=np.int64)), np.cumsum(lengths)
    samples: Ints = total[ends] - total[ends - lengths]
    return samples


def _without_empty(rollups: Rollups) -> Rollups:
    there = np.diff(rollups.starts) > 0
    starts = np.append(rollups.starts[:-1][there], rollups.starts[-1])
    return Rollups(rollups.sids[there], starts, rollups.bucket, rollups.values, rollups.samples[there])


def _stitch(lengths: Ints, rows: NDArray[Any], ends: Ints, out: NDArray[Any]) -> None:
    # Arrow hands out read-only rows, and each kind of array would be compiled for anew.
    rows = rows.astype(out.dtype, copy=False)
    rows.flags.writeable = False
    stitch(lengths, rows, ends, out)
