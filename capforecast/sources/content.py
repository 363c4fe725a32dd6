"""The bytes of a location: opened, decompressed and bounded.

A location is a literal path or ``-`` for standard input; nothing in it is a pattern. Whether it is
compressed is told by its first bytes, never by its name. Decompression checks what the format lets it
check (end marker, length, CRC), so that a truncated or damaged file is an error and not fewer rows.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

import pyarrow as pa

from capforecast.errors import SourceError

STDIN = "-"
BLOCK_BYTES = 1 << 20
"""Bytes read at once."""
HEAD_BYTES = 1 << 16
"""Decompressed bytes shown to a source that is asked whether it can read a location."""
FREE_BYTES = 256 << 20
"""Decompressed bytes that are never held against a file, however small it is."""
MAX_RATIO = 250
"""Most decompressed bytes for one compressed byte, beyond `FREE_BYTES`."""
MAX_BYTES = 64 << 30
"""Most decompressed bytes of one location."""

GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = tuple(bytes([0x50 + i]) + b"\x2a\x4d\x18" for i in range(16))
_OTHER = {
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
    b"7z\xbc\xaf": "7-zip",
    b"\x04\x22\x4d\x18": "lz4",
}
_RAW_HEAD = 4 * HEAD_BYTES
_SUFFIXES = (
    ".gz", ".zst", ".csv", ".tsv", ".tab", ".psv", ".txt", ".dat", ".log", ".jsonl", ".ndjson", ".json",
    ".parquet", ".pq", ".influx", ".lp", ".prom", ".om",
)  # fmt: skip


def shown(location: str) -> str:
    """Return the location as messages name it."""
    return "standard input" if location == STDIN else location


def stem(location: str) -> str:
    """Return the file's name without its folder and the known endings (``a/837.csv.gz`` gives 837)."""
    if location == STDIN:
        return "stdin"
    name = os.path.basename(location)
    while True:
        ending = next((s for s in _SUFFIXES if name.lower().endswith(s) and len(name) > len(s)), None)
        if ending is None:
            return name
        name = name[: -len(ending)]


def compression(head: bytes) -> str | None:
    """Return "gzip", "zstd" or None for the first bytes of a file."""
    if head.startswith(GZIP_MAGIC):
        return "gzip"
    if head.startswith((ZSTD_MAGIC, *_SKIPPABLE)):
        return "zstd"
    return None


def head(location: str) -> bytes:
    """Return up to `HEAD_BYTES` of the decompressed start; empty where looking would consume it (pipes).

    Raises
    ------
    SourceError
        The location cannot be opened.
    """
    raw = raw_head(location)
    kind = compression(raw)
    if kind == "gzip":
        try:
            return zlib.decompressobj(wbits=31).decompress(raw, HEAD_BYTES)
        except zlib.error:
            return b""
    if kind == "zstd":
        return _zstd_head(raw)
    return raw[:HEAD_BYTES]


def raw_head(location: str) -> bytes:
    """Return the start of the location as it is stored, without consuming it."""
    if location == STDIN:
        return _peek(sys.stdin.buffer)
    with _opened(location) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b""
        return file.read(_RAW_HEAD)


def _peek(stream: Any) -> bytes:
    if hasattr(stream, "peek"):
        return cast(bytes, stream.peek(_RAW_HEAD))[:_RAW_HEAD]
    place = stream.tell()
    start = cast(bytes, stream.read(_RAW_HEAD))
    stream.seek(place)
    return start


def _zstd_head(raw: bytes) -> bytes:
    found = bytearray()
    stream = _Zstd(pa.BufferReader(raw))
    try:
        while len(found) < HEAD_BYTES:
            piece = stream.read(1024)
            if not piece:
                break
            found += piece
    except OSError:
        # The start alone ends in the middle of a frame; reading the whole file tells if it is damaged.
        return bytes(found)
    return bytes(found)


def chunks(location: str) -> Iterator[bytes]:
    """Yield the decompressed bytes of a location in pieces of at most `BLOCK_BYTES`.

    Raises
    ------
    SourceError
        The location cannot be read, is truncated or damaged, or decompresses to more than is allowed.
    """
    with _opened(location) as file:
        counted = _Counted(file)
        stream = _decompressed(counted, location)
        total = 0
        while True:
            try:
                piece = stream.read(BLOCK_BYTES)
            except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
                raise SourceError(
                    "the file must be whole and undamaged",
                    got=f"{_one_line(error)} after {total} bytes of text",
                    where=shown(location),
                    do="Nothing of it was taken. Copy or export the file again",
                ) from error
            if not piece:
                return
            total += len(piece)
            _check_size(total, counted.count, location)
            yield piece


@contextmanager
def _opened(location: str) -> Iterator[IO[bytes]]:
    if location == STDIN:
        yield sys.stdin.buffer
        return
    try:
        file = open(location, "rb")  # noqa: SIM115 - closed below; only opening may raise our error
    except (OSError, ValueError) as error:
        raise SourceError(
            "a source must be a readable file",
            got=_one_line(error),
            where=shown(location),
            do="Check the path; it is taken literally, * and [ are ordinary characters",
        ) from error
    with file:
        yield file


def _decompressed(counted: _Counted, location: str) -> Any:
    start = counted.start(6)
    kind = compression(start)
    if kind == "gzip":
        return gzip.GzipFile(fileobj=cast(IO[bytes], counted), mode="rb")
    if kind == "zstd":
        return _Zstd(pa.PythonFile(counted, mode="r"))
    other = next((name for magic, name in _OTHER.items() if start.startswith(magic)), None)
    claimed = next((e for e in (".gz", ".zst") if location.lower().endswith(e)), None)
    if start and (other or claimed):
        raise SourceError(
            "a compressed file must be gzip or zstd" if other else f"a file named *{claimed} must be compressed so",
            got=other or f"first bytes {start!r}",
            where=shown(location),
            do="Decompress it first, or pipe it in and write - as the source",
        )
    return counted


def _check_size(total: int, stored: int, location: str) -> None:
    if total <= FREE_BYTES:
        return
    if total > MAX_BYTES or total > FREE_BYTES + MAX_RATIO * stored:
        raise SourceError(
            f"a source may hold at most {MAX_BYTES} bytes and {MAX_RATIO} for each compressed one",
            got=f"{total} bytes out of {stored}",
            where=shown(location),
            do="If the file is right, split it or decompress it first",
        )


def _one_line(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


class _Zstd:
    """A stream of what a zstd file holds."""

    def __init__(self, file: pa.NativeFile):
        self._stream = pa.CompressedInputStream(file, "zstd")

    def read(self, size: int) -> bytes:
        # pyarrow's own read never frees its room where it fails, a megabyte for each damaged file; a buffer is freed.
        return cast(bytes, self._stream.read_buffer(size).to_pybytes())


class _Counted(io.RawIOBase):
    """A stream that counts what is read and can show its start first."""

    def __init__(self, file: IO[bytes]):
        self._file, self._start, self.count = file, b"", 0

    def start(self, size: int) -> bytes:
        while len(self._start) < size and (piece := self._file.read(size - len(self._start))):
            self._start += piece
        return self._start

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._start:
            size = len(self._start) if size < 0 else size
            piece, self._start = self._start[:size], self._start[size:]
        else:
            piece = self._file.read(size)
        self.count += len(piece)
        return piece
