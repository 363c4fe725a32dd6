"""Forecasts that a run keeps for the next one: a file beside the tables of the run, read in pieces.

It is worth nothing but time: without it, or where it is damaged, all is fitted anew. So it is in no
manifest, only the newest runs have one, and each piece carries a checksum of its own. The bytes of all
pieces come first, then an index that says where each lies, then the index's size and checksum: nothing
is made of a byte before its checksum was compared, so that damage is told and never met by a decoder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO
from zlib import crc32

from capforecast.errors import StoreError
from capforecast.store import durable
from capforecast.store.catalog import Catalog
from capforecast.store.refusals import telling

FILE = "kept.bin"
RUNS = 3
"""Newest runs that have kept forecasts: those of the night, and those that its repetition would read."""

_FORMER = "kept.arrow"
"""What earlier versions kept, which is of no use to this one."""
_END = Struct("<QI4s")
"""The end of the file: size and CRC-32 of the index before it, and `_SIGN`."""
_SIGN = b"CFkf"


@dataclass(frozen=True, slots=True)
class KeptPiece:
    """Kept forecasts of some series with numbers from `first` to `last`: records as bytes, and names of members."""

    first: int
    last: int
    items: bytes
    crossings: bytes
    scores: bytes
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
        self._path, self._about, self._size = path, dict(about), 0
        self._pieces: list[list[Any]] = []
        with telling("write a file", path):
            self._file: BinaryIO = durable.new_file(path)

    def write(self, piece: KeptPiece) -> None:
        """Append a piece."""
        blobs = (piece.items, piece.crossings, piece.scores)
        sizes = [len(blob) for blob in blobs]
        self._pieces.append([piece.first, piece.last, list(piece.names), piece.checksum, self._size, sizes])
        self._size += sum(sizes)
        with telling("write a file", self._path):
            for blob in blobs:
                self._file.write(blob)

    def finish(self) -> None:
        """Bring the file to the disk."""
        index = json.dumps({"about": self._about, "pieces": self._pieces}, sort_keys=True).encode()
        with telling("write a file", self._path):
            self._file.write(index + _END.pack(len(index), crc32(index), _SIGN))
            durable.settle(self._file)

    def abandon(self) -> None:
        """Close the file as it is."""
        durable.abandon(self._file)


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
        self._path = path
        index = json.loads(_index(path))
        self.about: Mapping[str, str] = index["about"]
        self._pieces = index["pieces"]
        self.damaged = 0

    def between(self, first: int, last: int) -> list[KeptPiece]:
        """Return the pieces that hold series with numbers from `first` to `last`."""
        found = []
        for low, high, names, checksum, start, sizes in self._pieces:
            if low > last or high < first:
                continue
            items, crossings, scores = self._blobs(start, sizes)
            piece = KeptPiece(low, high, items, crossings, scores, names)
            if piece.checksum == checksum:
                found.append(piece)
            else:
                self.damaged += 1
        return found

    def _blobs(self, start: int, sizes: Sequence[int]) -> list[bytes]:
        try:
            with open(self._path, "rb") as file:
                file.seek(start)
                return [file.read(size) for size in sizes]
        except OSError:
            # What the disk does not give back is damaged, too: no bytes have the checksum of a piece.
            return [b"" for _ in sizes]


def _index(path: Path) -> bytes:
    """Return the index of a file.

    Raises
    ------
    ValueError
        It is not what was written.
    """
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END) - _END.size
        file.seek(max(size, 0))
        end = file.read()
        length, checksum, sign = _END.unpack(end) if len(end) == _END.size else (0, 0, b"")
        if sign != _SIGN or not 0 < length <= size:
            raise ValueError("no index at its end")
        file.seek(size - length)
        index = file.read(length)
    if crc32(index) != checksum:
        raise ValueError("an index that differs from its checksum")
    return index


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
    except (OSError, ValueError) as error:
        raise StoreError("kept forecasts must be as they were written", got=str(error), where=str(path)) from error


def forget(store: Path, catalog: Catalog) -> None:
    """Remove what all but the newest runs kept."""
    newest = catalog.runs().sort("as_of", "run_id").get_column("path").to_list()[-RUNS:]
    for path in catalog.history():
        for name in (_FORMER, FILE) if path not in newest else (_FORMER,):
            if (store / path / name).exists():
                durable.remove(store / path / name)
