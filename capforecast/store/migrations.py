"""From older formats to this one, step by step, on a closed store under its lock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from capforecast.errors import StoreError
from capforecast.store import durable, layout
from capforecast.store.catalog import Catalog
from capforecast.store.layout import Manifest
from capforecast.store.pointer import RUN_MANIFEST
from capforecast.store.spans import BLOCK

Migration = Callable[[Path], None]


def migrate(store: Path, manifest: Manifest) -> Manifest:
    """Bring an older format up to date, one migration after the other; a killed one can be repeated.

    What migrations change, the catalog and the manifest, is kept as it was in ``backup/format-N``: put back, it
    is the store of before, as long as nothing has been ingested. One that was put back and went on with the earlier
    version is backed up anew, under ``format-N~2`` and so on.
    """
    changed = [store / name for name in (layout.MANIFEST, layout.CATALOG, f"{layout.CATALOG}.wal")]
    durable.back_up([path for path in changed if path.exists()], _backup(store, manifest.format_version))
    for version in range(manifest.format_version, layout.FORMAT_VERSION):
        MIGRATIONS[version - 1](store)
        manifest = replace(manifest, format_version=version + 1)
        manifest.write(store)
    return manifest


def _backup(store: Path, version: int) -> Path:
    """Return the directory of a backup: that of a migration which is repeated, or one that is not there yet."""
    now, number = (store / layout.MANIFEST).read_bytes(), 1
    folder = store / layout.BACKUP / f"format-{version}"
    while folder.is_dir() and (folder / layout.MANIFEST).read_bytes() != now:
        number += 1
        folder = folder.with_name(f"format-{version}~{number}")
    return folder


def from_1(store: Path) -> None:
    """Files hold blocks of series, the ledger keeps warnings, a run in history has its manifest.

    Raises
    ------
    StoreError
        The store has more series than one block, so that its files would have to be divided.
    """
    catalog = Catalog(store / layout.CATALOG, writable=True)
    try:
        series = catalog.series().height
        if not catalog.has_blocks() and series > BLOCK:
            raise StoreError(
                f"a store of format 1 must have at most {BLOCK} series",
                got=series,
                where=str(store),
                do="An early version made it: ingest its sources into a new store; nothing was changed",
            )
        for path, files in catalog.history().items():
            if (store / path).is_dir():
                told = json.dumps({"path": path, "files": json.loads(files)}, indent=2, sort_keys=True) + "\n"
                durable.atomic_write(store / path / RUN_MANIFEST, told.encode(), private=False)
        with catalog.transaction():
            catalog.to_format_2()
    finally:
        catalog.close()


def from_2(store: Path) -> None:
    """Series say whether they are counters, and in which unit their samples came."""
    catalog = Catalog(store / layout.CATALOG, writable=True)
    try:
        if not catalog.has_natures():
            with catalog.transaction():
                catalog.to_format_3()
    finally:
        catalog.close()


MIGRATIONS: tuple[Migration, ...] = (from_1, from_2)
"""Migration ``i`` turns format ``i + 1`` into ``i + 2``."""
