"""The opening of DuckDB, and the moments at which it makes things durable.

Only this module connects to DuckDB for the store, so that faults can be injected here.
"""

from __future__ import annotations

import errno
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb

from capforecast.errors import StoreError
from capforecast.store import durable
from capforecast.store.refusals import telling

CATALOG_SETTINGS: dict[str, Any] = {
    "threads": 2,
    "memory_limit": "1GB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}


def _connect(path: Path, *, writable: bool) -> duckdb.DuckDBPyConnection:
    if "?" in str(path.absolute()):
        raise StoreError(
            "the path of a store must hold no question mark, behind which DuckDB would look for options",
            got=repr(str(path.parent)),
            do="Name another one with --store",
        )
    try:
        con = duckdb.connect(str(path), read_only=not writable, config=CATALOG_SETTINGS)
        if not con.execute("SELECT current_setting('lock_configuration')").fetchall()[0][0]:
            con.execute("SET GLOBAL TimeZone = 'UTC'")
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")
    except duckdb.Error as error:
        raise StoreError(
            "the catalog must open",
            got=str(error).splitlines()[0],
            where=str(path),
            do="Nothing was changed. Restore the store from a backup, or ingest its sources into a new one",
        ) from error
    return con


def create_catalog(path: Path, statements: list[str]) -> None:
    """Make a catalog under a temporary name and rename it, so that a killed creation leaves none.

    Raises
    ------
    StoreError
        The file could not be written.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    con = _connect(temporary, writable=True)
    try:
        for statement in statements:
            con.execute(statement)
        con.execute("CHECKPOINT")
    except duckdb.Error as error:
        raise StoreError(
            "the store must be able to write its catalog",
            got=str(error).splitlines()[0],
            where=str(path),
            do="Check free space, permissions and the disk, then run again",
        ) from error
    finally:
        con.close()
    with durable.together() as replaced:
        replaced.append(durable.ready_file(temporary, path))


def open_catalog(path: Path, *, writable: bool) -> duckdb.DuckDBPyConnection:
    """Connect to an existing catalog with settings that allow it nothing but itself.

    Raises
    ------
    StoreError
        The file is missing or cannot be opened.
    """
    with telling("open its catalog", path):
        there = path.is_file()
        # Looked at without opening the file, which would drop the lock of a connection that this process has.
        if there and not os.access(path, os.R_OK | (os.W_OK if writable else 0)):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    if not there:
        raise StoreError(
            "the store must hold its catalog",
            got="none",
            where=str(path),
            do="Restore the store from a backup, or ingest its sources into a new one",
        )
    return _connect(path, writable=writable)


def commit(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Commit the open transaction; after an error the outcome is unknown until the catalog is read again."""
    con.execute("COMMIT")
    with suppress(FileNotFoundError):
        # DuckDB makes its log readable by others, and it holds names like the rest of the catalog.
        os.chmod(f"{path}.wal", 0o600)


def checkpoint(con: duckdb.DuckDBPyConnection) -> None:
    """Move everything from the write-ahead log into the catalog file.

    Raises
    ------
    StoreError
        It could not be written; nothing is lost, the log is replayed at the next opening.
    """
    try:
        con.execute("CHECKPOINT")
    except duckdb.Error as error:
        raise StoreError(
            "the catalog must be checkpointed",
            got=str(error).splitlines()[0],
            do="Check free space; what was committed is safe",
        ) from error
