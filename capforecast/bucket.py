"""Where objects lie: ``s3://BUCKET/PATH``, taken apart.

The path is one key, or a prefix like a directory and all keys below it, or a glob: ``*`` and ``?`` stand for
what has no slash, ``**`` for anything. Parts of a key that begin with ``.`` or ``_`` do not count below a prefix
or glob, as in directories.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from capforecast.errors import ConfigError, UnknownNameError
from capforecast.registry import names

_SCHEME = re.compile(r"([a-z][a-z0-9]*)://", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_WILD = re.compile(r"(\*\*/|\*\*|\*|\?)")
_MEANING = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


@dataclass(frozen=True, slots=True)
class Place:
    """A location that names objects.

    Attributes
    ----------
    location : str
        As it was written.
    storage : str
        Name of the storage's line in the registry.
    bucket : str
        Name of the bucket.
    path : str
        A key, a prefix or a glob, without a leading or final slash; empty for all keys.
    """

    location: str
    storage: str
    bucket: str
    path: str

    @property
    def wild(self) -> bool:
        """Whether the path is a glob."""
        return _WILD.search(self.path) is not None

    @property
    def folder(self) -> str:
        """The prefix below which all keys lie that may be meant."""
        if not self.wild:
            return self.path
        return _WILD.split(self.path, maxsplit=1)[0].rpartition("/")[0]

    def holds(self, key: str) -> bool:
        """Tell whether a key is meant."""
        if key == self.path:
            return True
        folder = self.folder
        below = key.removeprefix(f"{folder}/") if folder else key
        if (folder and below == key) or any(part.startswith((".", "_")) for part in below.split("/")):
            return False
        pattern = "".join(_MEANING.get(part, re.escape(part)) for part in _WILD.split(self.path))
        return not self.wild or re.fullmatch(pattern, key, re.DOTALL) is not None

    def object(self, key: str) -> str:
        """Return the location of one key."""
        return f"{self.storage}://{self.bucket}/{key}"


def names_storage(location: str) -> bool:
    """Tell whether a location names objects rather than a file or a server."""
    found = _SCHEME.match(location)
    return found is not None and found[1].lower() in names("storage")


def parse_place(location: str) -> Place:
    """Take the location of objects apart.

    Raises
    ------
    UnknownNameError
        No storage of the registry has this name.
    ConfigError
        It has no bucket, or a user or password; what may be a secret is not repeated in the message.
    """
    found = _SCHEME.match(location)
    if found is None or found[1].lower() not in names("storage"):
        raise UnknownNameError("storage", found[1] if found else "", names("storage"))
    name = found[1].lower()
    bucket, _, path = location[found.end() :].partition("/")
    if not _BUCKET.fullmatch(bucket) or not location.isprintable():
        raise ConfigError(
            f"the location of objects must be {name}://BUCKET/PATH",
            got="a user or password" if "@" in bucket else "no name of a bucket",
            do="Set user, secret_env or secret_file, and endpoint beside the location",
        )
    return Place(location, name, bucket, path.strip("/"))
