"""What the tests of the sources share: writing a file, reading it, and the samples expected of it."""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from capforecast.sources import REJECTS, ROWS, Batch, ReadOptions
from capforecast.sources.recognise import read

START_S = 1_704_067_200
"""2024-01-01T00:00:00Z in seconds."""
START_US = START_S * 1_000_000
SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared(path: str) -> str:
    """Return a file of the shared data, or skip."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"the shared data set {path} is not there")
    return str(found)


def together(batches: list[Batch]) -> Batch:
    """Return all batches as one."""
    return Batch(
        pl.concat([pl.DataFrame(schema=ROWS), *(b.rows for b in batches)], how="diagonal"),
        pl.concat([pl.DataFrame(schema=REJECTS), *(b.rejects for b in batches)]),
    )


def load(location: Path | str, **options: object) -> Batch:
    """Read a file with the source that recognises it."""
    return together(list(read(str(location), ReadOptions(**options))))  # type: ignore[arg-type]


def write(path: Path, text: str | bytes) -> Path:
    """Write text (UTF-8) or bytes."""
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def zstd(data: bytes) -> bytes:
    """Return zstd-compressed bytes in the framing of a stream."""
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as out:
        out.write(data)
    return bytes(sink.getvalue().to_pybytes())


COMPRESS = {"": bytes, ".gz": lambda data: gzip.compress(data, mtime=0), ".zst": zstd}
