"""Where files lie that are not on this machine: the contract of a storage of objects.

A storage lists the objects that a location means and copies one at a time to a file, which is read as any
other file is. It knows nothing of the store or of what is in the objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from capforecast.access import Access
from capforecast.bucket import Place
from capforecast.errors import SourceError
from capforecast.exchange import Limits


class UnreachableError(SourceError):
    """The storage itself fails, so that trying its other objects would only take time."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects lie, and how they are reached.

    Attributes
    ----------
    place : Place
        Which objects are meant.
    access : Access
        User and secret are the key's name and secret; without them the environment or the machine says who we are.
    limits : Limits
        How long it may take: `total` is for one object, or for listing all.
    endpoint : str, optional
        ``http://HOST:PORT`` or https, where it is not that of the region.
    region : str, optional
        Of the bucket.
    """

    place: Place
    access: Access = Access()
    limits: Limits = Limits()
    endpoint: str | None = None
    region: str | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: its key, bytes, and what changes with its content (entity tag, or else the time of its change)."""

    key: str
    size: int
    version: str


class Storage(Protocol):
    """One kind of storage, opened for one bucket."""

    name: str

    def __init__(self, bucket: Bucket): ...

    def listed(self) -> list[Stored]:
        """Return the objects that are meant, sorted by key; empty ones are signs of directories and left out.

        Raises
        ------
        SourceError
            None is there, there are too many, or the storage fails; the message holds no secret.
        """
        ...

    def copy(self, stored: Stored, path: Path) -> None:
        """Bring the bytes of an object to a new file.

        Raises
        ------
        UnreachableError
            The storage cannot be reached, refuses us, or takes too long.
        SourceError
            The object is gone, was changed since it was listed, or does not come whole.
        """
        ...
