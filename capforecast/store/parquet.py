"""Parquet in and out of memory: page checksums always written and always checked."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from capforecast.errors import DamagedError
from capforecast.store import durable

ROW_GROUP = 122_880
SEAL = b"CFfs"
"""Stands with a checksum of the footer right before it: Parquet itself guards pages only.

No reader of Parquet looks there. Files of early versions have none.
"""
_SEAL_SIZE = len(SEAL) + 4
TAIL = 1 << 16
"""Bytes at the end of a file that are read first: most footers are shorter."""


@dataclass(frozen=True, slots=True)
class Part:
    """One immutable data file as the catalog knows it.

    Attributes
    ----------
    family : str
        "samples", "rollups" or "quarantine".
    path : str
        Relative to the store, with slashes.
    block : int
        Block of series; 0 in quarantine.
    first_day, last_day : int
        Span in days since the epoch; -1 in quarantine.
    days : int
        Days of the span that have rows.
    rows, bytes : int
        Size of the content and of the file.
    sha256 : str
        Of the file.
    owner : str
        In quarantine the sha256 of the source, else empty.
    """

    family: str
    path: str
    block: int
    first_day: int
    last_day: int
    days: int
    rows: int = 0
    bytes: int = 0
    sha256: str = ""
    owner: str = ""


def encode(table: pa.Table, *, groups: Sequence[int] = (0,), **options: Any) -> pa.Buffer:
    """Return a table as the bytes of a Parquet file; equal tables give equal bytes.

    Parameters
    ----------
    table : Table
        Content.
    groups : sequence of int
        Rows at which row groups begin, the first of them 0; longer ones than usual are divided.
    options
        Of Arrow's writer.
    """
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, write_page_checksum=True, **options) as writer:
        for start, stop in zip(groups, (*groups[1:], table.num_rows), strict=True):
            writer.write_table(table.slice(start, stop - start), ROW_GROUP)
    return sink.getvalue()


def write_part(store: Path, part: Part, table: pa.Table, **options: Any) -> Part:
    """Write the file of a part and return the part with the size and the hash of what was written."""
    data = sealed(encode(table, compression="zstd", **options).to_pybytes())
    path = store / part.path
    durable.make_directory(path.parent)
    durable.atomic_write(path, data)
    return replace(part, rows=table.num_rows, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def write_tables(store: Path, part: Part, schema: pa.Schema, tables: Iterable[pa.Table]) -> Part:
    """Write the file of a part as `write_part` does, from tables of a row group each, which are in memory in turn."""
    path, rows = store / part.path, 0
    durable.make_directory(path.parent)
    with durable.atomic_file(path) as file:
        sink = _Sealing(file)
        with pq.ParquetWriter(sink, schema, compression="zstd", write_page_checksum=True) as writer:
            for table in tables:
                writer.write_table(table, ROW_GROUP)
                rows += table.num_rows
            sink.hold()
        sink.seal()
    return replace(part, rows=rows, bytes=sink.bytes, sha256=sink.sha256.hexdigest())


class _Sealing:
    """A file that is hashed while a Parquet writer writes it, and whose end is held back until it is sealed."""

    closed = False

    def __init__(self, file: BinaryIO):
        self._file, self._held = file, b""
        self._holds = False
        self.bytes, self.sha256 = 0, hashlib.sha256()

    def write(self, data: Any) -> int:
        if self._holds:
            self._held += bytes(data)
        else:
            self.sha256.update(data)
            self.bytes += self._file.write(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: it is flushed when it is settled."""

    def hold(self) -> None:
        """Keep what comes from now on, with which the footer ends, in memory."""
        self._holds = True

    def seal(self) -> None:
        """Write what was held back, with a checksum of the footer."""
        self._holds = False
        self.write(sealed(self._held))


def sealed(data: bytes) -> bytes:
    """Return a Parquet file with a checksum of its footer."""
    start = len(data) - _footer_size(data)
    return b"".join((data[:start], SEAL, zlib.crc32(data[start:]).to_bytes(4, "little"), data[start:]))


def _footer_size(tail: bytes) -> int:
    return int.from_bytes(tail[-8:-4], "little") + 8


def damaged(path: Path, error: object) -> DamagedError:
    """Return the error for a data file that cannot be read."""
    return DamagedError(
        "every data file of the store must be readable and undamaged",
        got=str(error).splitlines()[0] if str(error) else repr(error),
        where=str(path),
        do="Run `capforecast doctor --repair`, or restore the file from a backup; nothing was changed",
    )


def read(path: Path, columns: Sequence[str], *, names: Sequence[str] = ()) -> pa.Table:
    """Read columns of a data file; `names` come as dictionaries.

    Raises
    ------
    StoreError
        The file is missing or damaged.
    """
    try:
        with pq.ParquetFile(
            path, metadata=_footer(path), read_dictionary=list(names), page_checksum_verification=True
        ) as file:
            return file.read(columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error


def read_groups(
    path: Path, columns: Sequence[str], wanted: Callable[[dict[str, tuple[Any, Any]]], bool]
) -> Iterator[pa.Table]:
    """Yield the row groups that `wanted` accepts from their smallest and largest values per column.

    Raises
    ------
    StoreError
        The file is missing or damaged.
    """
    try:
        with pq.ParquetFile(path, metadata=_footer(path), page_checksum_verification=True) as file:
            groups = [i for i in range(file.num_row_groups) if wanted(_bounds(file.metadata.row_group(i)))]
            if groups:
                yield file.read_row_groups(groups, columns=list(columns))
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error


@contextmanager
def opened(path: Path, found: Any) -> Iterator[Any]:
    """Give a data file whose footer is known, ready to read.

    Raises
    ------
    StoreError
        The file is missing or damaged; also when this shows only while reading from it.
    """
    try:
        with (
            pa.OSFile(str(path)) as bytes_of_file,
            pq.ParquetFile(bytes_of_file, metadata=found, page_checksum_verification=True) as file,
        ):
            yield file
    except (OSError, pa.ArrowException) as error:
        raise damaged(path, error) from error


def expect(path: Path, stretches: Sequence[tuple[int, int]]) -> None:
    """Let the operating system fetch stretches (start, bytes) of a file while others are read.

    A disk that takes its time for each of many small reads does them at once then. A file that is not there is
    left to the one who reads it, and not every system can be told.
    """
    if not hasattr(os, "posix_fadvise"):
        return
    with suppress(FileNotFoundError), open(path, "rb") as file:
        for start, size in stretches:
            os.posix_fadvise(file.fileno(), start, size, os.POSIX_FADV_WILLNEED)


def stretches(found: Any, group: int, places: Sequence[int]) -> list[tuple[int, int]]:
    """Return where columns of a row group, told by their places, lie in their file: (start, bytes) of each."""
    rows, out = found.row_group(group), []
    for place in places:
        column = rows.column(place)
        start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
        out.append((start, column.total_compressed_size))
    return out


def footer(path: Path, columns: Sequence[str]) -> tuple[Any, list[str], list[list[tuple[int, int]]]]:
    """Return what the end of a data file tells.

    Returns
    -------
    (footer, names, bounds)
        The footer as Arrow has it, the names of all columns, and for each row group the smallest and largest
        number of each of `columns`.

    Raises
    ------
    StoreError
        The file is missing or damaged.
    """
    names: list[str] = []
    bounds = []
    try:
        found = _footer(path)
        for number in range(found.num_row_groups):
            group = found.row_group(number)
            # The footer's schema would refer back to it, and both stay in memory until cycles are looked for.
            names = names or [group.column(i).path_in_schema for i in range(group.num_columns)]
            known = [group.column(names.index(name)).statistics for name in columns]
            bounds.append([(one.min, one.max) for one in known])
    except (OSError, pa.ArrowException, ValueError, AttributeError) as error:
        raise damaged(path, error) from error
    return found, names, bounds


def _footer(path: Path) -> Any:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - TAIL, 0))
        tail = file.read()
        if _footer_size(tail) + _SEAL_SIZE > len(tail):
            file.seek(max(size - _footer_size(tail) - _SEAL_SIZE, 0))
            tail = file.read()
    start = max(len(tail) - _footer_size(tail), 0)
    seal, checksum = tail[max(start - _SEAL_SIZE, 0) : start], zlib.crc32(tail[start:])
    if seal.startswith(SEAL) and checksum != int.from_bytes(seal[len(SEAL) :], "little"):
        raise pa.ArrowInvalid("the checksum of the footer differs")
    return pq.read_metadata(pa.BufferReader(tail[start:]))


def numbers(column: pa.ChunkedArray, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return a column of numbers without nulls as an array that shares its memory, read-only.

    Arrow's own conversion loads pandas where that is installed, which costs a quarter of a second.
    """
    parts = [
        np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * dtype.itemsize)
        for chunk in column.chunks
        if len(chunk)
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, dtype), *parts])


def arrow(values: NDArray[Any]) -> pa.Array:
    """Return an array of numbers as one of Arrow's that shares its memory; the other way of `numbers`."""
    kind = pa.from_numpy_dtype(values.dtype)
    return pa.Array.from_buffers(kind, values.size, [None, pa.py_buffer(np.ascontiguousarray(values))])


def _bounds(group: Any) -> dict[str, tuple[Any, Any]]:
    bounds = {}
    for i in range(group.num_columns):
        column = group.column(i)
        if column.is_stats_set and column.statistics.has_min_max:
            bounds[column.path_in_schema] = (column.statistics.min, column.statistics.max)
    return bounds
