"""From a source to the store: all that is acceptable of a location, or nothing."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import polars as pl

from capforecast.acceptance import FUTURE, checked
from capforecast.config import Config
from capforecast.errors import ConfigError, DamagedError, DataError, SchemaError, SourceError
from capforecast.kinds import Kind
from capforecast.sources import Batch, ReadOptions, Source
from capforecast.store import Ingested, Store
from capforecast.times import LATEST_US

FAILURES = (SourceError, SchemaError, DataError, DamagedError, ConfigError)
"""What may be wrong with one source, or with what the settings say of it, while others can be taken."""
LeftOut = Callable[[str, tuple[str, ...]], None]
"""Is told a location and its columns of which nothing was read."""


def ingest(  # noqa: PLR0913 - each is another person's decision
    store: Store,
    location: str,
    source: Source,
    options: ReadOptions,
    config: Config,
    *,
    as_of_us: int,
    run_id: str = "",
    progress: Callable[[int], None] | None = None,
    sha256: str | None = None,
    tell: LeftOut | None = None,
) -> Ingested:
    """Read a location and bring its samples into the store: all of it, or nothing.

    Parameters
    ----------
    store : Store
        Open for writing.
    location : str
        What the source reads.
    source : Source
        How it is read.
    options : ReadOptions
        What the location does not say itself.
    config : Config
        Settings: how far clocks may be ahead, how many series may be new, and the kinds of metrics, which give
        the unit where the data name none.
    as_of_us : int
        The moment of this run; rows farther ahead of it than clocks may be, or than `LATEST_US`, are quarantined.
    run_id : str
        Run that ingests.
    progress : callable, optional
        Called with the number of rows read so far.
    sha256 : str, optional
        What stands for the content, where the location is no file; left out: this reading is like no other.
    tell : callable, optional
        Called with the location and the names of its columns of which nothing was read, where there are some.

    Raises
    ------
    SourceError, SchemaError
        From the source; the store is as it was before.
    DataError
        The location holds no rows at all, or more new series than may come.
    """
    # The number of the last change makes each ingest another one, also of the same file.
    stamp = json.dumps([run_id, location, store.commit])
    ingest_id = hashlib.sha256(stamp.encode()).hexdigest()[:20]
    file = _file(location)
    latest_us = min(as_of_us + config.ingest.future_tolerance_us, LATEST_US)
    read = readable(source.read(location, options), location)
    # Content that can be read only once has no hash beforehand: it is another source each time.
    if file is not None:
        # Looked at before it is hashed: what has this hash must be what is read.
        before = _state(file)
        sha256, read = _identity(file, options), _unchanged(read, file, before)
    elif sha256 is None:
        sha256 = hashlib.sha256(f"{location}\0{ingest_id}".encode()).hexdigest()
    return store.append(
        location, sha256, _checked(read, location, latest_us, tuple(config.metric_kinds), progress, tell),
        ingest_id=ingest_id, run_id=run_id, as_of_us=as_of_us, max_new_series=config.ingest.max_new_series,
    )  # fmt: skip


def content_of(location: str, options: ReadOptions) -> str | None:
    """Return the hash of a file's content and of how it is read; None where it can be read only once."""
    file = _file(location)
    return None if file is None else _identity(file, options)


def contents_taken(store: Store) -> frozenset[str]:
    """Return the hashes of contents that were taken, and from which reading again could not bring more.

    Rows that were quarantined because they lay in the future may be acceptable now, so what held some when it was
    last read is read again.
    """
    ledger = store.ledger().unique("sha256", keep="last")
    settled = ~pl.col("reasons").fill_null("").str.contains(FUTURE, literal=True)
    return frozenset(ledger.filter(settled)["sha256"].to_list())


def _identity(file: Path, options: ReadOptions) -> str:
    """Return the hash of a file's content and of how it is read."""
    return read_so(_digest(file), options)


def read_so(content: hashlib._Hash, options: ReadOptions) -> str:
    """Return the hash of a content, to which how it is read is added."""
    content.update(json.dumps(asdict(options), sort_keys=True, default=str).encode())
    return content.hexdigest()


def _file(location: str) -> Path | None:
    path = Path(location)
    try:
        return path if path.is_file() else None
    except (OSError, ValueError):
        return None


def _digest(path: Path) -> hashlib._Hash:
    with _looking(path), path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")


def _state(path: Path) -> tuple[int, int, int]:
    """Return what changes where a file is written to or another one takes its name."""
    with _looking(path):
        now = os.stat(path)
    return now.st_ino, now.st_size, now.st_mtime_ns


@contextmanager
def _looking(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            "a source must be readable", got=error.strerror, where=str(path), do="Check its permissions"
        ) from error


def readable(batches: Iterator[Batch], location: str) -> Iterator[Batch]:
    """Yield batches; what the operating system refuses in the middle of a source is an error of that source.

    Raises
    ------
    SourceError
        The source cannot be read to its end.
    """
    try:
        yield from batches
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(
            "a source must be readable to its end", got=error.strerror or str(error), where=location,
            do="Nothing was taken from it",
        ) from error  # fmt: skip


def _unchanged(batches: Iterator[Batch], path: Path, before: tuple[int, int, int]) -> Iterator[Batch]:
    yield from batches
    if _state(path) != before:
        raise SourceError(
            "a source must not change while it is read",
            where=str(path),
            do="Ingest it again when it is complete; nothing was taken from it",
        )


def _checked(
    batches: Iterable[Batch],
    location: str,
    latest_us: int,
    kinds: tuple[Kind, ...],
    progress: Callable[[int], None] | None,
    tell: LeftOut | None,
) -> Iterator[Batch]:
    total = 0
    left_out: dict[str, None] = {}
    for batch in batches:
        total += batch.rows.height + batch.rejects.height
        left_out |= dict.fromkeys(batch.left_out)
        yield from checked(batch, latest_us, kinds)
        if progress is not None:
            progress(total)
    if not total:
        raise DataError(
            "a source must hold at least one row",
            got="none",
            where=location,
            do="Check that it is the right one and not empty; name its format with --format",
        )
    if left_out and tell is not None:
        tell(location, tuple(left_out))
