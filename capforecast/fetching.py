"""Configured objects: each that is new or was changed is copied, read as a file is, and an ingest of its own."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from capforecast import registry
from capforecast.access import access_of
from capforecast.bucket import parse_place
from capforecast.config import Config
from capforecast.errors import ConfigError, SourceError
from capforecast.exchange import Limits
from capforecast.ingest import FAILURES, LeftOut, contents_taken, ingest, read_so
from capforecast.settings import SourceSettings
from capforecast.sources import Batch, ReadOptions, Source
from capforecast.sources.content import head
from capforecast.sources.recognise import choose
from capforecast.storages import Bucket, Storage, Stored, UnreachableError
from capforecast.store import Ingested, Store
from capforecast.times import SECOND_US, parse_duration

TOLD = 20
"""Objects of a source that are named when they fail; the others are counted."""
_NAME_BYTES = 255
_PARTS = 3
"""Last parts of a key that formats may read names from, such as those of collectd's directories."""


@dataclass(slots=True)
class _Copy:
    """A copy as a source: it is read, and messages name the object."""

    name: str
    inner: Source
    path: str
    general: bool = False

    def claims(self, location: str, head: bytes) -> bool:
        """Tell that no file is meant."""
        return False

    def read(self, location: str, options: ReadOptions) -> Iterator[Batch]:
        """Yield the samples of the copy."""
        with _named(self.path, location):
            yield from self.inner.read(self.path, options)


def fetched(
    store: Store, settings: SourceSettings, options: ReadOptions, config: Config, as_of_us: int,
    *, anew: bool = False, tell: LeftOut | None = None,
) -> Iterator[Ingested | str]:  # fmt: skip
    """Take the objects of a source in; yield what became of each, or why it, or all of them, failed.

    Where the storage itself fails, what is left is not tried.

    Parameters
    ----------
    store : Store
        Open for writing.
    settings : SourceSettings
        A source whose location names objects.
    options : ReadOptions
        How they are read.
    config : Config
        Settings.
    as_of_us : int
        The moment of this run.
    anew : bool
        Take also what was taken before and has not changed.
    tell : callable, optional
        Called for each object that has columns of which nothing was read.
    """
    try:
        place = parse_place(settings.location)
        storage: Storage = registry.load("storage", place.storage)(bucket_of(settings))
        found = storage.listed()
    except FAILURES as error:
        yield error.about(settings.location)
        return
    known = frozenset() if anew else contents_taken(store)
    failed = 0
    for one in found:
        location = place.object(one.key)
        sha256 = _identity(location, one, options)
        if sha256 in known:
            continue
        try:
            with _folder() as folder:
                path = _copied(storage, one, Path(folder) / place.storage / place.bucket, location)
                with _named(str(path), location):
                    name = choose(str(path), head(str(path)), options)
                copy = _Copy(name, registry.load("source", name)(), str(path))
                yield ingest(store, location, copy, options, config, as_of_us=as_of_us, sha256=sha256, tell=tell)
        except FAILURES as error:
            failed += 1
            if failed <= TOLD or isinstance(error, UnreachableError):
                yield error.about(location)
            if isinstance(error, UnreachableError):
                return
    if failed > TOLD:
        yield f"{place.location}: {failed - TOLD} more objects could not be read"


def bucket_of(settings: SourceSettings) -> Bucket:
    """Return where the objects of the settings lie, and how they are reached.

    Raises
    ------
    SourceError
        The secret cannot be read.
    """
    silence = parse_duration(settings.timeout) / SECOND_US
    limits = Limits(min(10.0, silence), silence, parse_duration(settings.deadline) / SECOND_US)
    return Bucket(parse_place(settings.location), access_of(settings), limits, settings.endpoint, settings.region)


def _identity(location: str, stored: Stored, options: ReadOptions) -> str:
    """Return what stands for the content of an object and how it is read."""
    said = json.dumps([location, stored.version, stored.size])
    return read_so(hashlib.sha256(said.encode()), options)


def _copied(storage: Storage, stored: Stored, folder: Path, location: str) -> Path:
    """Return the copy of an object; its last names are those of the key."""
    parts = stored.key.split("/")[-_PARTS:]
    if any(part in ("", ".", "..") or "\0" in part or len(part.encode()) > _NAME_BYTES for part in parts):
        raise SourceError(
            "the last parts of a key must be names that files can have", got=repr(stored.key[:80]), where=location,
            do="Copy the object under another key",
        )  # fmt: skip
    path = folder.joinpath(*parts)
    with _roomy():
        path.parent.mkdir(parents=True)
    storage.copy(stored, path)
    return path


def _folder() -> TemporaryDirectory[str]:
    with _roomy():
        return TemporaryDirectory(prefix="capforecast-object-")


@contextmanager
def _roomy() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            "there must be room for a copy of an object", got=error.strerror or str(error),
            do="Set TMPDIR to a directory that can be written to",
        ) from error  # fmt: skip


@contextmanager
def _named(path: str, location: str) -> Iterator[None]:
    """Let errors about a copy name the object."""
    try:
        yield
    except FAILURES as error:
        kind = ConfigError if isinstance(error, ConfigError) else type(error)
        got, where = (None if text is None else str(text).replace(path, location) for text in (error.got, error.where))
        raise kind(error.must, got=got, where=where, do=error.do) from error
