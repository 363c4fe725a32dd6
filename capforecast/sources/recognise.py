"""Which files a location means, and which source reads one.

Locations are literal: ``a[1].csv`` is the file of that name and ``*`` never stands for anything else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from capforecast import registry
from capforecast.address import names_server
from capforecast.bucket import names_storage
from capforecast.errors import SourceError
from capforecast.location import check_location
from capforecast.sources import Batch, ReadOptions, Source
from capforecast.sources.content import STDIN, head, shown
from capforecast.sources.dialect import foreign, not_recognised
from capforecast.sources.text import recognised_encoding


def resolve(location: str, own: Callable[[str], bool] = lambda path: False) -> list[str]:
    """Return the files a location means, sorted by name.

    A directory means every file in it and below; names that begin with ``.`` or ``_`` are left out (the
    sign of temporary and describing files), and links to directories are not followed. One below that cannot be looked
    into is among them, so that it fails alone. A server is itself, and so are objects of a storage.

    Parameters
    ----------
    location : str
        A path, taken literally, or what names a server or objects.
    own : callable
        Tells of the path of a file or directory whether this program made it for itself: such ones are no samples.

    Raises
    ------
    SourceError
        There is no such file, the directory has none, or it is the program's own.
    UnknownNameError
        It is neither a path nor the name of a server or a storage.
    """
    if location == STDIN or names_server(location) or names_storage(location):
        return [location]
    check_location(location)
    if os.path.isdir(location) and own(location):
        raise SourceError(
            "a source must hold samples as they come", got="a store of capforecast", where=location,
            do="Name the files whose samples are in it",
        )  # fmt: skip
    try:
        if not os.path.isdir(location):
            os.stat(location)
            return [location]
        found = sorted(_files(location, own))
    except (OSError, ValueError) as error:
        raise SourceError(
            "a source must be a file or a directory",
            got=getattr(error, "strerror", None) or str(error),
            where=location,
            do="Check the path; it is taken literally, * and [ are ordinary characters",
        ) from error
    if not found:
        raise SourceError(
            "a directory given as a source must hold files",
            got="none",
            where=location,
            do="Names that begin with . or _, stores, and the files of the settings do not count",
        )
    return found


def choose(location: str, start: bytes, options: ReadOptions) -> str:
    """Return the name of the source that reads a location.

    Parameters
    ----------
    location : str
        A file or ``-``.
    start : bytes
        Its first decompressed bytes, as `content.head` returns them.
    options : ReadOptions
        `format` decides when it is given.

    Raises
    ------
    SourceError
        No source knows the content, or several do; the message says what is readable, or names `--format`. The name
        of the file is not UTF-8.
    UnknownNameError
        `options.format` is no source.
    """
    _check_text(location)
    if options.format is not None:
        registry.load("source", options.format)
        return options.format
    sources: list[Source] = [registry.load("source", name)() for name in registry.names("source")]
    claiming = [source for source in sources if source.claims(location, start)]
    special = [source for source in claiming if not source.general] or claiming
    if len(special) == 1:
        return special[0].name
    if special:
        raise SourceError(
            "the content of a source must be of one format",
            got=" or ".join(source.name for source in special),
            where=shown(location),
            do=f"Add --format {special[0].name}, or the one it is",
        )
    encoding, mark = recognised_encoding(start)
    text = start[mark:].decode(encoding, errors="replace")
    raise not_recognised(location, foreign(text.splitlines()) or "text without a common delimiter")


def read(location: str, options: ReadOptions) -> Iterator[Batch]:
    """Yield the samples of one file with the source that knows it."""
    if names_server(location) or names_storage(location):
        raise SourceError(
            "only files can be read without a store", got=location, do="Bring it into a store first, with ingest or run"
        )
    name = choose(location, head(location) if options.format is None else b"", options)
    source: Source = registry.load("source", name)()
    yield from source.read(location, options)


def _check_text(location: str) -> None:
    """Refuse a name that no ledger, table or page can hold: it may become that of a host, too."""
    try:
        location.encode()
    except UnicodeEncodeError as error:
        raise SourceError(
            "the name of a source must be UTF-8", got=repr(os.fsencode(location)), do="Rename the file or its directory"
        ) from error


def _files(folder: str, own: Callable[[str], bool]) -> Iterator[str]:
    refused: list[str] = []

    def fail(error: OSError) -> None:
        if error.filename == folder:
            raise error
        refused.append(error.filename)

    for place, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [
            name for name in folders if not name.startswith((".", "_")) and not own(os.path.join(place, name))
        ]
        for name in names:
            path = os.path.join(place, name)
            if not name.startswith((".", "_")) and os.path.isfile(path) and not own(path):
                yield path
    # Whoever reads it is told why it cannot be, and all others are files that can.
    yield from refused
