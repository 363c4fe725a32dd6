"""Forecasts that a run keeps for the next one: a file beside the tables of the run, read in pieces.

It is worth nothing but time: without it, or where it is damaged, all is fitted anew. So it is in no
manifest, only the newest runs have one, and each piece carries a checksum of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

import numpy as np
import pyarrow as pa

from capforecast.errors import StoreError
from capforecast.store import durable
from capforecast.store.catalog import Catalog
from capforecast.store.refusals import telling

FILE = "kept.arrow"
RUNS = 3
"""Newest runs that have kept forecasts: those of the night, and those that its repetition would read."""

_BLOBS = ("items", "crossings", "scores")
_SCHEMA = pa.schema([(name, pa.large_binary()) for name in ("head", *_BLOBS)])
_ABOUT = b"capforecast"


@dataclass(frozen=True, slots=True)
class KeptPiece:
    """Kept forecasts of some series with numbers from `first` to `last`: records as bytes, and names of members."""

    first: int
    last: int
    items: bytes | memoryview
    crossings: bytes | memoryview
    scores: bytes | memoryview
    names: Sequence[str]

    @property
    def checksum(self) -> int:
        """CRC-32 of everything."""
        value = crc32(json.dumps([self.first, self.last, *self.names]).encode())
        for blob in (self.items, self.crossings, self.scores):
            value = crc32(blob, value)
        return value


class KeepingFile:
    """The file on its way to the disk.

    Parameters
    ----------
    path : Path
        A name that is not there yet; its directory must be renamed durably afterwards.
    about : mapping of str to str
        What a reader must agree with.
    """

    def __init__(self, path: Path, about: Mapping[str, str]):
        self._path = path
        with telling("write a file", path):
            self._file: BinaryIO = durable.new_file(path)
            told = {_ABOUT: json.dumps(dict(about), sort_keys=True).encode()}
            self._writer = pa.ipc.new_file(self._file, _SCHEMA.with_metadata(told))

    def write(self, piece: KeptPiece) -> None:
        """Append a piece."""
        head = json.dumps([piece.first, piece.last, list(piece.names), piece.checksum]).encode()
        columns = [_cell(value) for value in (head, piece.items, piece.crossings, piece.scores)]
        with telling("write a file", self._path):
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_SCHEMA))

    def finish(self) -> None:
        """Bring the file to the disk."""
        with telling("write a file", self._path):
            self._writer.close()
            durable.settle(self._file)

    def abandon(self) -> None:
        """Close the file as it is."""
        self._file.close()


def _cell(value: bytes | memoryview) -> pa.Array:
    """Return one value as a column; Arrow's own conversion loads pandas where that is installed."""
    ends = np.array([0, len(value)], np.int64)
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, pa.py_buffer(ends), pa.py_buffer(value)])


class KeptForecasts:
    """Kept forecasts of a run; safe in several threads.

    Attributes
    ----------
    about : mapping of str to str
        What the run said of itself.
    damaged : int
        Pieces so far that were not what had been written; they are left out.
    """

    def __init__(self, path: Path):
        self._reader: Any = pa.ipc.open_file(pa.memory_map(str(path)))
        self.about: Mapping[str, str] = json.loads((self._reader.schema.metadata or {}).get(_ABOUT, b"{}"))
        batches = [self._reader.get_batch(i) for i in range(self._reader.num_record_batches)]
        self._heads = [json.loads(bytes(batch["head"][0].as_buffer())) for batch in batches]
        self.damaged = 0

    def between(self, first: int, last: int) -> list[KeptPiece]:
        """Return the pieces that hold series with numbers from `first` to `last`."""
        found = []
        for number, (low, high, names, checksum) in enumerate(self._heads):
            if low > last or high < first:
                continue
            batch = self._reader.get_batch(number)
            items, crossings, scores = (memoryview(batch[name][0].as_buffer()) for name in _BLOBS)
            piece = KeptPiece(low, high, items, crossings, scores, names)
            if piece.checksum == checksum:
                found.append(piece)
            else:
                self.damaged += 1
        return found


def read_kept(store: Path, run_path: str) -> KeptForecasts | None:
    """Return what a run kept, given by its directory in history; None where it kept nothing.

    Raises
    ------
    StoreError
        The file is damaged.
    """
    path = store / run_path / FILE
    try:
        return KeptForecasts(path)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, ValueError) as error:
        raise StoreError("kept forecasts must be an Arrow file", got=str(error), where=str(path)) from error


def forget(store: Path, catalog: Catalog) -> None:
    """Remove what all but the newest runs kept."""
    newest = catalog.runs().sort("as_of", "run_id").get_column("path").to_list()[-RUNS:]
    for path in catalog.history():
        if path not in newest and (store / path / FILE).exists():
            durable.remove(store / path / FILE)
