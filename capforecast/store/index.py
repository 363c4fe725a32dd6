"""What the footer of a rollup part tells of its row groups: which series, from when to when, and whether all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from capforecast.store.parquet import footer

Ints = NDArray[np.int64]
Sids = NDArray[np.int32]
Buckets = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Index:
    """What the footer of a part says about its row groups, one entry for each.

    Attributes
    ----------
    path : Path
        The file.
    footer : FileMetaData
        As the file has it, so that it is parsed once.
    names : list of str
        Columns.
    rows : int64 (G,)
        Rows.
    sid, bucket, count : int32, int64, int64 (G, 2)
        Smallest and largest value of these columns.
    """

    path: Path
    footer: Any
    names: list[str]
    rows: Ints
    sid: Sids
    bucket: Ints
    count: Ints

    @classmethod
    def of(cls, path: Path) -> Index:
        """Read the footer of a part."""
        found, names, bounds = footer(path, ("sid", "bucket", "count"))
        rows = np.array([found.row_group(g).num_rows for g in range(found.num_row_groups)], np.int64)
        sid, bucket, count = np.array(bounds, np.int64).reshape(-1, 3, 2).swapaxes(0, 1)
        return cls(path, found, names, rows, sid.astype(np.int32), bucket, count)

    def chosen(self, sids: Sids, buckets: Buckets) -> list[int]:
        """Return the row groups that may hold one of some rising sids in a range of buckets."""
        at = np.searchsorted(sids, self.sid[:, 0])
        holds = (at < sids.size) & (sids[np.minimum(at, sids.size - 1)] <= self.sid[:, 1])
        return np.flatnonzero(holds & (self.bucket[:, 0] < buckets[1]) & (self.bucket[:, 1] >= buckets[0])).tolist()

    def whole(self, group: int) -> bool:
        """Tell whether a row group has a row for each of its series in each of its buckets."""
        (low, high), (first, last) = self.sid[group].tolist(), self.bucket[group].tolist()
        return bool(self.rows[group] == (high - low + 1) * (last - first + 1))

    def even(self, group: int) -> bool:
        """Tell whether all rows of a row group have the same count."""
        low, high = self.count[group].tolist()
        return bool(low == high)

    def needed(self, group: int, names: Sequence[str]) -> list[str]:
        """Return the columns of a row group that must be read with some statistics."""
        more = (*(() if self.whole(group) else ("bucket",)), *(() if self.even(group) else ("count",)))
        return list(dict.fromkeys((*names, *more)))

    def within(self, group: int, buckets: Buckets) -> bool:
        """Tell whether all rows of a row group lie in a range of buckets."""
        first, last = self.bucket[group].tolist()
        return bool(first >= buckets[0] and last < buckets[1])
