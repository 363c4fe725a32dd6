"""What comes in: files, objects and servers that are named, or that the settings name."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

from capforecast import registry
from capforecast.address import names_server, parse_address
from capforecast.bucket import names_storage, parse_place
from capforecast.config import Config
from capforecast.errors import SourceError
from capforecast.fetching import fetched
from capforecast.ingest import FAILURES, LeftOut, content_of, contents_taken, ingest
from capforecast.pulling import pulled
from capforecast.rejected import Rejected
from capforecast.settings import SourceSettings
from capforecast.shards import Progress
from capforecast.sources import ReadOptions
from capforecast.sources.content import head
from capforecast.sources.recognise import choose, resolve
from capforecast.store import MANIFEST, Ingested, Store
from capforecast.times import parse_duration, parse_moment

_AS_SET = (
    "format", "epoch", "time_format", "decimal", "delimiter", "encoding", "header", "layout", "host", "metric", "unit"
)  # fmt: skip
"""Settings of a source that are options of reading as they stand."""


class PartlyTakenError(SourceError):
    """Some queries of a server, or objects of a bucket, could not be taken; the others are in the store.

    Attributes
    ----------
    failed : tuple of str
        What could not be, and why.
    taken : list of (location, Ingested)
        What was.
    """

    def __init__(self, must: str, failed: Sequence[str], taken: list[tuple[str, Ingested]]):
        super().__init__(must, got=" | ".join(failed))
        self.failed, self.taken = tuple(failed), taken


@dataclass(slots=True)
class Taken:
    """What the configured sources gave.

    Attributes
    ----------
    rows : dict of int
        Rows in, accepted, duplicate and quarantined.
    rejected : Rejected
        Why rows are in quarantine.
    failed : list of str
        Sources that could not be read, with the reason.
    warnings : dict
        Sentences for the reader, each once.
    """

    rows: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("in", "accepted", "duplicate", "quarantined"), 0)
    )
    rejected: Rejected = field(default_factory=Rejected)
    failed: list[str] = field(default_factory=list)
    warnings: dict[str, None] = field(default_factory=dict)

    def add(self, one: Ingested) -> None:
        """Count what an ingest took, and keep what it says."""
        self.warnings |= dict.fromkeys(one.warnings)
        self.rows["in"] += one.rows_in
        self.rows["accepted"] += one.accepted
        self.rows["duplicate"] += one.duplicate
        self.rows["quarantined"] += one.quarantined
        self.rejected.add(one.source, one.reasons, one.lines)


def ingest_sources(  # noqa: PLR0913 - each is another person's decision
    store_path: str | Path,
    locations: Sequence[str],
    options: ReadOptions,
    config: Config,
    *,
    now_us: int,
    as_of_us: int | None = None,
    wait_seconds: float = 0.0,
    progress: Progress | None = None,
    tell: LeftOut | None = None,
) -> list[tuple[str, Ingested]]:
    """Bring files into a store, which is created when it is missing.

    Parameters
    ----------
    store_path : str or Path
        Where the store is.
    locations : sequence of str
        Files, directories, objects and servers.
    options : ReadOptions
        How files and objects are read.
    config : Config
        Settings.
    now_us, as_of_us : int
        Now, and the moment that is taken for it.
    wait_seconds : float
        How long to wait for another run.
    progress : callable, optional
        Called with "ingest", locations done and their number.
    tell : callable, optional
        Called for each file or object that has columns of which nothing was read.

    Returns
    -------
    list of (location, Ingested)
        One per file, object or query; directories are their files.

    Raises
    ------
    SourceError, SchemaError, DataError
        A location cannot be read; those before it stay ingested. A `PartlyTakenError` says what was taken of a
        server or a bucket of which not all could be.
    """
    path = Path(store_path)
    moment = now_us if as_of_us is None else as_of_us
    files = [name for location in locations for name in files_of(location, config)]
    out = []
    with Store.open_or_create(path, created_us=now_us, wait_seconds=wait_seconds) as store:
        for done, name in enumerate(files):
            if progress is not None:
                progress("ingest", done, len(files))
            if names_server(name):
                out += _ingest_server(store, name, config, moment)
            elif names_storage(name):
                out += _ingest_objects(store, name, options, config, moment, tell)
            else:
                out.append((name, _ingest_file(store, name, options, config, moment, tell)))
        if progress is not None:
            progress("ingest", len(files), len(files))
    return out


def take(store: Store, config: Config, as_of_us: int, progress: Progress | None) -> Taken:
    """Ingest the configured sources; one that fails is named and the others go on.

    Parameters
    ----------
    store : Store
        Open for writing.
    config : Config
        Settings.
    as_of_us : int
        The moment of the run.
    progress : callable, optional
        Called with "ingest", sources done and their number.
    """
    taken = Taken()
    for done, settings in enumerate(config.sources):
        if progress is not None:
            progress("ingest", done, len(config.sources))
        for one in _taken(store, settings, config, as_of_us):
            taken.failed.append(one) if isinstance(one, str) else taken.add(one)
    if progress is not None and config.sources:
        progress("ingest", len(config.sources), len(config.sources))
    return taken


def files_of(location: str, config: Config) -> list[str]:
    """Return the files that a location means; a directory's are without stores, limits and settings.

    Raises
    ------
    SourceError
        There is no such file, the directory has none, or it is a store.
    """
    mine = {os.path.realpath(path) for path in config.own_paths}
    names = {os.path.basename(path) for path in mine}

    def own(path: str) -> bool:
        named = os.path.basename(path) in names and os.path.realpath(path) in mine
        return named or os.path.isfile(os.path.join(path, MANIFEST))

    return resolve(location, own)


def _taken(store: Store, settings: SourceSettings, config: Config, as_of_us: int) -> Iterator[Ingested | str]:
    """Take a configured source in; yield what became of each file, object or query, or why it failed."""
    if names_server(settings.location):
        yield from pulled(store, settings, config, as_of_us)
        return
    options = _options(settings, config)
    if names_storage(settings.location):
        yield from fetched(store, settings, options, config, as_of_us)
        return
    try:
        files = files_of(settings.location, config)
    except SourceError as error:
        yield error.about(settings.location)
        return
    known: set[str | None] = set(contents_taken(store))
    for name in files:
        try:
            _refuse_pipe(name)
            content = content_of(name, options)
            if content not in known:
                yield _ingest_file(store, name, options, config, as_of_us)
                known.add(content)
        except FAILURES as error:
            yield error.about(name)


def _refuse_pipe(name: str) -> None:
    """Raise SourceError for a named pipe: nobody may ever write to it, and the night would wait for him."""
    if os.path.exists(name) and stat.S_ISFIFO(os.stat(name).st_mode):
        raise SourceError(
            "a source of the settings must be a file", got="a named pipe", where=name,
            do="Write to a file, or pipe into `capforecast ingest -`",
        )  # fmt: skip


def _ingest_file(
    store: Store, name: str, options: ReadOptions, config: Config, as_of_us: int, tell: LeftOut | None = None
) -> Ingested:
    source = registry.load("source", choose(name, head(name), options))()
    return ingest(store, name, source, options, config, as_of_us=as_of_us, tell=tell)


def _ingest_server(store: Store, location: str, config: Config, as_of_us: int) -> list[tuple[str, Ingested]]:
    """Ask a server what the settings say; all its queries are asked before one that failed is told."""
    parse_address(location)
    sources = _sources_of(location, config)
    if not sources:
        raise SourceError(
            "a server must be a source of the settings, which say what it is asked", got=location,
            do="Add it to capforecast.toml, or write one with capforecast init --from prometheus URL",
        )  # fmt: skip
    found = chain.from_iterable(pulled(store, settings, config, as_of_us) for settings in sources)
    return _all(found, "every query of a server must be answered")


def _ingest_objects(
    store: Store, location: str, options: ReadOptions, config: Config, as_of_us: int, tell: LeftOut | None
) -> list[tuple[str, Ingested]]:
    """Take objects in, whether they were before or not; the settings say how they are reached, or the environment."""
    parse_place(location)
    sources = _sources_of(location, config) or [SourceSettings(location=location)]
    found = chain.from_iterable(
        fetched(store, settings, options, config, as_of_us, anew=True, tell=tell) for settings in sources
    )
    return _all(found, "every object must be readable")


def _sources_of(location: str, config: Config) -> list[SourceSettings]:
    """Return the sources of the settings that have a location: several where they are asked for in other ways."""
    return [source for source in config.sources if source.location == location]


def _all(found: Iterable[Ingested | str], must: str) -> list[tuple[str, Ingested]]:
    """Return what was taken, or raise an error that tells what was and all that failed, after all were tried."""
    tried = list(found)
    taken = [(one.source, one) for one in tried if isinstance(one, Ingested)]
    failed = [one for one in tried if isinstance(one, str)]
    if failed:
        raise PartlyTakenError(must, failed, taken)
    return taken


def _options(settings: SourceSettings, config: Config) -> ReadOptions:
    """Return how to read a configured source."""
    return ReadOptions(
        mapping=dict(settings.map),
        timezone=settings.timezone or config.ingest.timezone,
        start_us=None if settings.start is None else parse_moment(settings.start),
        step_us=None if settings.step is None else parse_duration(settings.step),
        **{name: getattr(settings, name) for name in _AS_SET},
    )
