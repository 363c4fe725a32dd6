"""Columns of numbers ordered by day, held in memory or in a scratch file.

A large ingest keeps its batches here until it knows which file each day belongs to.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capforecast.store import durable
from capforecast.store.spans import Span

Columns = dict[str, NDArray[Any]]


@dataclass(slots=True)
class Piece:
    """Rows of equal columns, grouped by rising day.

    Attributes
    ----------
    days, offsets : int64 (D,), int64 (D + 1,)
        Days that occur, and where each one's rows start.
    columns : dict of arrays (N,)
        The rows; empty arrays of the right type once they are in `path`.
    block : int
        Block of series that all rows belong to.
    path : Path, optional
        Scratch file that holds the columns one after another.
    """

    days: NDArray[np.int64]
    offsets: NDArray[np.int64]
    columns: Columns
    block: int
    path: Path | None = None

    @classmethod
    def of(cls, day: NDArray[np.int64], columns: Columns, block: int = 0) -> Piece:
        """Group rows by day, keeping their order within a day."""
        if day.size and not (day[1:] >= day[:-1]).all():
            order = stable_order(day)
            day = day[order]
            columns = {name: column[order] for name, column in columns.items()}
        starts = np.flatnonzero(np.concatenate([[day.size > 0], day[1:] != day[:-1]]))
        return cls(day[starts], np.append(starts, day.size), columns, block)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Number of rows of each day."""
        return np.diff(self.offsets)

    def spill(self, path: Path) -> None:
        """Move the columns to a scratch file."""
        durable.write_scratch(path, self.columns)
        self.columns = {name: column[:0].copy() for name, column in self.columns.items()}
        self.path = path

    def touches(self, span: Span) -> bool:
        """Tell whether some day of a span may have rows here."""
        return bool(self.days.size) and int(self.days[0]) <= span.last and int(self.days[-1]) >= span.first

    def slice(self, span: Span) -> Columns:
        """Return the rows of the days of a span."""
        low = int(self.offsets[np.searchsorted(self.days, span.first)])
        high = int(self.offsets[np.searchsorted(self.days, span.last, side="right")])
        if self.path is None:
            return {name: column[low:high] for name, column in self.columns.items()}
        base, total, out = 0, int(self.offsets[-1]), {}
        for name, column in self.columns.items():
            size = column.dtype.itemsize
            out[name] = np.fromfile(self.path, column.dtype, high - low, offset=base + low * size)
            base += total * size
        return out


def stable_order(keys: NDArray[Any]) -> NDArray[np.int64]:
    """Return the order that sorts whole numbers and keeps equal ones as they are."""
    small = keys - keys.min()
    if int(small.max()) < 1 << 16:
        # On 16 bits numpy's stable sort is a radix sort, ten times faster than on 64.
        return np.argsort(small.astype(np.uint16), kind="stable")
    return np.argsort(small, kind="stable")


def day_rows(pieces: list[Piece]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rising days of several pieces and the number of rows of each."""
    if not pieces:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    days, where = np.unique(np.concatenate([piece.days for piece in pieces]), return_inverse=True)
    rows = np.bincount(where, np.concatenate([piece.rows for piece in pieces]), days.size)
    return days, rows.astype(np.int64)
