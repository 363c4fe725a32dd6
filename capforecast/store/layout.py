"""What a store directory looks like, and which formats this version reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from capforecast.errors import StoreError
from capforecast.store import durable
from capforecast.store.refusals import telling
from capforecast.times import format_moment

FORMAT_VERSION = 3
MANIFEST = "store.json"
CATALOG = "catalog.duckdb"
LOCK = "lock"
STAGING = ".staging"
BACKUP = "backup"
DAMAGED = "damaged"
LATEST = "reports/latest"
POINTER = f"{LATEST}/latest.json"
HISTORY = "reports/history"

_BEFORE_MANIFEST = (LOCK, CATALOG, CATALOG + ".wal")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of ``store.json``.

    Attributes
    ----------
    step_us : int
        Width of a rollup.
    created_us : int
        When the store was made.
    commit : int
        The catalog's last commit when this was written: a catalog that is behind has lost commits.
    format_version : int
        Format of everything in the directory.
    """

    step_us: int
    created_us: int
    commit: int
    format_version: int = FORMAT_VERSION

    def write(self, store: Path) -> None:
        """Write ``store.json``."""
        content = {
            "format": "capforecast-store",
            "format_version": self.format_version,
            "step_us": self.step_us,
            "created": format_moment(self.created_us),
            "created_us": self.created_us,
            "commit": self.commit,
        }
        text = json.dumps(content, indent=2) + "\n"
        durable.atomic_write(store / MANIFEST, text.encode(), private=False)


def is_store(path: Path) -> bool:
    """Tell whether a directory is a store, of whatever format.

    Raises
    ------
    StoreError
        The directory may not be looked into.
    """
    with telling("look for its files", path / MANIFEST):
        return (path / MANIFEST).is_file()


def read_manifest(store: Path) -> Manifest:
    """Read ``store.json``.

    Raises
    ------
    StoreError
        The directory is not a store, ``store.json`` is damaged, or the format is newer than this version.
    """
    with telling("look for its files", store):
        there = store.is_dir()
    if not there:
        raise StoreError(
            "the store must exist", got="no such directory", where=str(store),
            do="Ingest something first, or name the right one with --store",
        )  # fmt: skip
    if not is_store(store):
        raise StoreError(
            f"a store must hold {MANIFEST}", got="none", where=str(store),
            do="This directory is not a capforecast store: name another one with --store",
        )  # fmt: skip
    try:
        with telling("read its files", store / MANIFEST):
            data = (store / MANIFEST).read_bytes()
        content = json.loads(data)
        if content["format"] != "capforecast-store":
            raise ValueError(f"format {content['format']!r}")
        manifest = Manifest(
            int(content["step_us"]),
            int(content["created_us"]),
            int(content["commit"]),
            int(content["format_version"]),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{MANIFEST} must be readable", got=repr(error), where=str(store / MANIFEST),
            do="Restore it from a backup; nothing was changed",
        ) from error  # fmt: skip
    if manifest.format_version > FORMAT_VERSION:
        raise StoreError(
            f"the format of the store must be at most {FORMAT_VERSION}", got=manifest.format_version,
            where=str(store), do="A newer capforecast wrote it: install that one; nothing was changed",
        )  # fmt: skip
    return manifest


def committed(store: Path, manifest: Manifest, number: int) -> Manifest:
    """Write down the number of a commit that is durable."""
    manifest = replace(manifest, commit=number)
    manifest.write(store)
    return manifest


def refuse_foreign(path: Path) -> None:
    """Refuse to make a store where something else is; leftovers of a killed creation are none of that.

    Raises
    ------
    StoreError
        The path is a file, a store, or a directory that holds other things.
    """
    with telling("look for its files", path):
        there = path.exists()
    if not there:
        return
    if not path.is_dir():
        raise StoreError(
            "a store must be a directory", got="a file", where=str(path), do="Name another one with --store"
        )
    if is_store(path):
        raise StoreError("a new store must not exist yet", got="a store", where=str(path), do="Open it instead")
    others = sorted(
        p.name for p in path.iterdir()
        if p.name not in _BEFORE_MANIFEST and not (p.name.startswith((f".{CATALOG}.", f".{MANIFEST}.")))
    )  # fmt: skip
    if others:
        raise StoreError(
            "a new store must be an empty directory or none", got=", ".join(others[:5]), where=str(path),
            do="Name another one with --store",
        )  # fmt: skip
