"""Making and opening a store: lock first, then the checks, then the leftovers of killed runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from capforecast.errors import ConfigError, StoreError
from capforecast.store import database, durable, layout
from capforecast.store.catalog import STATEMENTS, Catalog
from capforecast.store.history import stray_history
from capforecast.store.layout import Manifest
from capforecast.store.lock import RunLock, run_lock
from capforecast.store.migrations import migrate
from capforecast.store.verify import FAMILIES, known_paths, leftovers
from capforecast.times import DAY_US, MINUTE_US, format_duration


@dataclass(frozen=True, slots=True)
class Opened:
    """A store under its lock."""

    path: Path
    manifest: Manifest
    catalog: Catalog
    lock: RunLock
    writable: bool


def create(path: Path, step_us: int, created_us: int) -> Opened:
    """Make a store and open it for writing; a killed creation can be repeated."""
    if not MINUTE_US <= step_us <= DAY_US or DAY_US % step_us:
        raise ConfigError(
            "the step of a store must be from 1m to 1d and divide a day",
            got=format_duration(step_us),
            do="Take 1h: forecasts of other steps are made from it",
        )
    layout.refuse_foreign(path)
    durable.make_directory(path, private=False)
    lock = run_lock(path / layout.LOCK, exclusive=True)
    try:
        layout.refuse_foreign(path)
        return _made(path, lock, step_us, created_us)
    except BaseException:
        lock.release()
        raise


def open_or_create(path: Path, step_us: int, created_us: int, wait_seconds: float) -> Opened:
    """Open a store for writing, and make it where there is none; another process may be making it meanwhile."""
    if layout.is_store(path):
        return open_existing(path, writable=True, wait_seconds=wait_seconds)
    _refuse_other(path)
    durable.make_directory(path, private=False)
    lock = run_lock(path / layout.LOCK, exclusive=True, wait_seconds=wait_seconds)
    try:
        _refuse_other(path)
        if layout.is_store(path):
            return _under_lock(path, lock, writable=True)
        return _made(path, lock, step_us, created_us)
    except BaseException:
        lock.release()
        raise


def _refuse_other(path: Path) -> None:
    """Refuse what is neither a store nor a place for one."""
    try:
        layout.refuse_foreign(path)
    except StoreError:
        if not layout.is_store(path):
            raise


def _made(path: Path, lock: RunLock, step_us: int, created_us: int) -> Opened:
    for leftover in sorted(path.glob(f"*{layout.CATALOG}*")):
        durable.remove(leftover)
    database.create_catalog(path / layout.CATALOG, STATEMENTS)
    Manifest(step_us, created_us, 0).write(path)
    return _under_lock(path, lock, writable=True)


def open_existing(path: Path, *, writable: bool, wait_seconds: float) -> Opened:
    """Open a store that exists."""
    # Looked at before the lock is made, so that a directory that is no store is left as it is.
    layout.read_manifest(path)
    lock = run_lock(path / layout.LOCK, exclusive=writable, wait_seconds=wait_seconds)
    try:
        return _under_lock(path, lock, writable=writable)
    except BaseException:
        lock.release()
        raise


def _under_lock(path: Path, lock: RunLock, *, writable: bool) -> Opened:
    manifest = layout.read_manifest(path)
    if manifest.format_version < layout.FORMAT_VERSION:
        if not writable:
            raise StoreError(
                f"the format of the store must be {layout.FORMAT_VERSION}",
                got=manifest.format_version,
                where=str(path),
                do="Run an ingest once: it migrates the store",
            )
        manifest = migrate(path, manifest)
    catalog = Catalog(path / layout.CATALOG, writable=writable)
    try:
        commit = catalog.meta("commit")
        if commit < manifest.commit:
            raise StoreError(
                f"the catalog must hold commit {manifest.commit}, as {layout.MANIFEST} says",
                got=commit,
                where=str(path),
                do="Its write-ahead log was lost or cut: restore a backup; nothing was changed",
            )
        if writable:
            if commit > manifest.commit:
                manifest = layout.committed(path, manifest, commit)
            sweep(path, catalog)
    except BaseException:
        catalog.abandon()
        raise
    return Opened(path, manifest, catalog, lock, writable)


def sweep(path: Path, catalog: Catalog) -> None:
    """Remove what killed or failed runs left: files and directories that the catalog does not name."""
    durable.remove(path / layout.STAGING)
    for leftover in leftovers(path, known_paths(catalog), FAMILIES):
        durable.remove(path / leftover)
    for stray in stray_history(path, set(catalog.history())):
        durable.remove(path / stray)
        durable.remove_empty((path / stray).parent)
    for pattern in (f".{layout.MANIFEST}.*.tmp", f"{layout.LATEST}/.*.tmp", f"{layout.HISTORY}/*/*/.*.tmp"):
        for temporary in sorted(path.glob(pattern)):
            durable.remove(temporary)
