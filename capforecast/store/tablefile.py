"""A published table on its way to the disk: rows in, one Parquet file out, never whole in memory.

Rows are gathered into row groups of one size, and what a group holds is laid out by its content alone:
however the rows came, the file has the same bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from capforecast.schema import SCHEMA_VERSION, Table
from capforecast.store import durable
from capforecast.store.edition import ARROW, fitted
from capforecast.store.parquet import ROW_GROUP
from capforecast.store.refusals import telling

_PLAIN = ("risk_id", "reason")
"""Texts that hardly repeat."""

_BOUNDS = ("host", "metric", "day")
"""Columns by whose smallest and largest values readers skip row groups."""


WIDE = 40
"""Tables of so many columns have smaller row groups, since a group is in memory until it is written."""

_BATCH = 1 << 16
"""Values that are encoded at a time."""


class TableFile:
    """The file of one published table.

    Parameters
    ----------
    table : Table
        Its schema.
    path : Path
        A name that is not there yet; its directory must be renamed durably afterwards.
    """

    def __init__(self, table: Table, path: Path):
        self.rows = 0
        self._table, self._file = table, _Hashed(path)
        self._waiting: list[pa.Table] = []
        self._height, self._group = 0, ROW_GROUP if len(table.columns) < WIDE else ROW_GROUP // 4
        try:
            self._writer = _writer(table, self._file)
        except BaseException:
            self._file.close()
            raise

    def write(self, rows: pa.Table) -> None:
        """Append rows.

        Raises
        ------
        SchemaError
            They do not fit the table.
        StoreError
            They could not be written.
        """
        self._waiting.append(fitted(self._table, rows))
        self._height += rows.num_rows
        while self._height >= self._group:
            self._write_group(self._group)

    def finish(self) -> dict[str, Any]:
        """Bring the whole file to the disk; return its rows, bytes and sha256."""
        if self._height:
            self._write_group(self._height)
        self._writer.close()
        return {"rows": self.rows, "bytes": self._file.bytes, "sha256": self._file.finish()}

    def abandon(self) -> None:
        """Close the file as it is; nothing more is written to it."""
        self._file.close()
        # What Arrow would write when it is done with the file goes nowhere.
        self._writer.close()

    def _write_group(self, count: int) -> None:
        taken, left, missing = [], [], count
        for part in self._waiting:
            taken.append(part.slice(0, missing))
            left.append(part.slice(missing))
            missing -= taken[-1].num_rows
        self._waiting = [part for part in left if part.num_rows]
        self._height -= count
        self.rows += count
        columns = {name: _laid_out(name, [part[name] for part in taken]) for name in self._table.names}
        self._writer.write_table(pa.table(columns), row_group_size=count)


def _writer(table: Table, file: Any) -> Any:
    kinds = {column.name: column.type for column in table.columns}
    writer = pq.ParquetWriter(
        file,
        pa.schema([(name, _stored(name, ARROW[kind])) for name, kind in kinds.items()]),
        compression="snappy",
        version="2.6",
        write_page_checksum=True,
        # The types of the schema are written, not those of the dictionaries here.
        store_schema=False,
        use_dictionary=[name for name, kind in kinds.items() if kind not in ("double", "bool") and name not in _PLAIN],
        write_batch_size=_BATCH,
        write_statistics=[name for name in _BOUNDS if name in kinds],
    )
    writer.add_key_value_metadata({"schema_version": str(SCHEMA_VERSION), "table": table.name})
    return writer


def _stored(name: str, kind: Any) -> Any:
    return pa.dictionary(pa.int32(), pa.string()) if kind == pa.string() and name not in _PLAIN else kind


def _laid_out(name: str, parts: Sequence[pa.ChunkedArray]) -> pa.Array:
    """Return a column of a row group as one array; its dictionary has the texts in the order in which they come."""
    chunks = [chunk for part in parts for chunk in part.chunks if len(chunk)]
    if not (pa.types.is_string(chunks[0].type) or pa.types.is_run_end_encoded(chunks[0].type)):
        return pa.concat_arrays(chunks)
    if name in _PLAIN:
        return pa.concat_arrays([pc.run_end_decode(c) if pa.types.is_run_end_encoded(c.type) else c for c in chunks])
    texts, lengths = zip(*(_runs(chunk) for chunk in chunks), strict=True)
    encoded = pa.concat_arrays(texts).dictionary_encode()
    # By way of polars, since Arrow's own conversions load pandas where that is installed.
    codes, rows = pl.Series(encoded.indices), np.concatenate(lengths)
    if codes.null_count():
        spread = codes.gather(np.repeat(np.arange(rows.size, dtype=np.uint32), rows))
    else:
        spread = pl.Series(np.repeat(codes.to_numpy(), rows))
    return pa.DictionaryArray.from_arrays(spread.to_arrow(), encoded.dictionary)


def _runs(chunk: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """Return the text of each run and its length; a row is a run where there are none."""
    if not pa.types.is_run_end_encoded(chunk.type):
        return chunk, np.ones(len(chunk), np.int64)
    first, count = chunk.find_physical_offset(), chunk.find_physical_length()
    ends = pl.Series(chunk.run_ends).to_numpy()[first : first + count].astype(np.int64) - chunk.offset
    return chunk.values.slice(first, count), np.diff(np.minimum(ends, len(chunk)), prepend=0)


class _Hashed:
    """A new file that is hashed while it is written."""

    def __init__(self, path: Path):
        self.bytes, self.closed = 0, False
        self._path, self._hash = path, hashlib.sha256()
        with telling("write a file", path):
            self._file = durable.new_file(path)

    def write(self, data: Any) -> int:
        if self._file.closed:
            return len(data)
        with telling("write a file", self._path):
            self._hash.update(data)
            self.bytes += len(data)
            return self._file.write(data)

    def flush(self) -> None:
        """Do nothing: it is flushed when it is finished."""

    def finish(self) -> str:
        """Bring the file to the disk, close it and return its sha256."""
        with telling("write a file", self._path):
            durable.settle(self._file)
        return self._hash.hexdigest()

    def close(self) -> None:
        durable.abandon(self._file)
