"""From names in rows to small integers: which rows belong to the same series.

Names repeat for thousands of rows, so they are compared with the row before, not hashed row by row;
where that does not help (rows ordered by time) they are dictionary-encoded column by column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from capforecast.errors import DataError, StoreError, printable
from capforecast.store.parquet import numbers

KEY = ("host", "metric", "instance")
_FEW = 16
"""Rows per run from which runs are worth more than dictionaries."""


@dataclass(frozen=True, slots=True)
class Identified:
    """Which distinct names each row has.

    Attributes
    ----------
    names : DataFrame
        The distinct rows of names, in no particular order; `row` and `names` agree.
    code : int32 (R,)
        Row of `names` for each run of equal rows.
    length : int64 (R,)
        Rows of each run.
    """

    names: pl.DataFrame
    code: NDArray[np.int32]
    length: NDArray[np.int64]

    def spread(self, per_name: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return a number per row from a number per distinct name."""
        short = per_name[self.code]
        return short if short.size == int(self.length.sum()) else np.repeat(short, self.length)


def identify(rows: pl.DataFrame, columns: Sequence[str]) -> Identified:
    """Find the distinct values of some text columns and which row has which.

    Parameters
    ----------
    rows : DataFrame
        Text columns, null allowed.
    columns : sequence of str
        Columns that are looked at.
    """
    names = rows.select(columns)
    if not names.height:
        return Identified(names, np.empty(0, np.int32), np.empty(0, np.int64))
    changes = names.select(pl.any_horizontal([pl.col(c).ne_missing(pl.col(c).shift()) for c in columns])).to_series()
    starts = changes.arg_true().cast(pl.Int64).to_numpy()
    if not starts.size or starts[0] != 0:
        # An all-null first row equals the null that shift puts before it.
        starts = np.concatenate([[0], starts])
    if starts.size * _FEW > names.height:
        starts = np.arange(names.height)
    length = np.diff(starts, append=names.height)
    heads = names if starts.size == names.height else names[starts]
    code, first = _codes(heads)
    return Identified(heads[first], code, length)


def _codes(heads: pl.DataFrame) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    code = np.zeros(heads.height, np.int64)
    first = np.zeros(1, np.int64)
    with ThreadPoolExecutor(2) as pool:
        columns = list(pool.map(lambda column: column.to_arrow().dictionary_encode(null_encoding="encode"), heads))
    for encoded in columns:
        size = len(encoded.dictionary)
        if size == 1:
            continue
        indices = numbers(pa.chunked_array([encoded.indices]), np.dtype(np.int32))
        code, first = _dense(code * size + indices, first.size * size)
    return code.astype(np.int32), first


def _dense(code: NDArray[np.int64], bound: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if bound > max(4 * code.size, 1 << 16):
        _, first, dense = np.unique(code, return_index=True, return_inverse=True)
        return dense.astype(np.int64), first
    # Assignment leaves the last row of each code, which names it as well as the first.
    row = np.full(bound, -1, np.int64)
    row[code] = np.arange(code.size)
    used = np.flatnonzero(row >= 0)
    row_of_used = row[used]
    row[used] = np.arange(used.size)
    return row[code], row_of_used


class SeriesIndex:
    """The sids during one ingest: known series have theirs, new ones get the next as they come.

    Parameters
    ----------
    known : DataFrame
        The series of the catalog by sid, which counts them from 0 without gaps.
    source : str
        Where new ones come from.
    max_new : int, optional
        Most new series.
    """

    def __init__(self, known: pl.DataFrame, source: str = "", max_new: int | None = None):
        self.known = known.height
        self._source, self._max_new = source, max_new
        self._ids = {key: i for i, key in enumerate(known.select(KEY).iter_rows())}

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self, keys: pl.DataFrame) -> NDArray[np.int32]:
        """Return the sids of series (columns `KEY`), giving new series new ones in this order.

        Raises
        ------
        DataError
            More of them are new than may be.
        """
        ids = self._ids
        if self._max_new is not None and len(ids) + keys.height > self.known + self._max_new:
            self._check(keys.unique(maintain_order=True), self._max_new)
        return np.fromiter((ids.setdefault(key, len(ids)) for key in keys.iter_rows()), np.int32)

    def _check(self, keys: pl.DataFrame, most: int) -> None:
        """Count before anything is kept: names of one series for each row take more memory than rows."""
        new = keys.join(self.keys(), on=KEY, how="anti", maintain_order="left")
        count = len(self._ids) - self.known + new.height
        if count <= most:
            return
        frequent = new.get_column("metric").value_counts(sort=True).row(0)
        widest = max(KEY, key=lambda name: new.get_column(name).n_unique())
        raise DataError(
            f"a source may bring at most {most} series that are not known yet (ingest.max_new_series)",
            got=f"at least {count}: {frequent[1]} of metric {printable(frequent[0][:100])!r}, and "
            f"{new.get_column(widest).n_unique()} values of {widest}, such as "
            f"{printable(new.get_column(widest)[0][:100])!r}",
            where=self._source,
            do="Nothing of it was taken. Leave the changing part out of the names, or raise the setting",
        )

    def find(self, keys: Iterable[tuple[str, str, str]]) -> NDArray[np.int32]:
        """Return the sids of series that must be known; safe in several threads.

        Raises
        ------
        StoreError
            A series is in a data file but not in the catalog.
        """
        try:
            return np.fromiter((self._ids[key] for key in keys), np.int32)
        except KeyError as error:
            raise StoreError(
                "every series of a data file must be in the catalog",
                got=f"series {error.args[0]!r}",
                do="Run `capforecast doctor`; restore the store from a backup",
            ) from error

    def keys(self) -> pl.DataFrame:
        """Return host, metric and instance by sid."""
        return pl.DataFrame(list(self._ids), schema=dict.fromkeys(KEY, pl.String), orient="row")

    def ranks(self) -> NDArray[np.int32]:
        """Return each series' place in the order of a samples file: metric, host, instance."""
        order = self.keys().with_row_index("id").sort("metric", "host", "instance")["id"].to_numpy()
        ranks = np.empty(order.size, np.int32)
        ranks[order] = np.arange(order.size, dtype=np.int32)
        return ranks
