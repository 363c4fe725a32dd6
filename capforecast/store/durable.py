"""Every durable write of the package, and the opening of DuckDB.

Only this module (and `lock`, for its own file) opens files for writing, renames, removes, fsyncs and
connects to DuckDB, so this is the seam at which faults are injected. A file becomes visible under its name
only when it is whole and on disk: temporary name in the same directory, write, fsync, rename, fsync of the
directory.
A failed fsync is never repeated: the run fails, and what was published before stands.
"""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import duckdb
import numpy as np
from numpy.typing import NDArray

from capforecast.errors import StoreError

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
SHARED_FILE, SHARED_FOLDER = 0o664, 0o775
"""Modes before the umask: whatever that is, nothing can be written to by everybody."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
CATALOG_SETTINGS: dict[str, Any] = {
    "threads": 2,
    "memory_limit": "1GB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "python_enable_replacements": False,
}


@contextmanager
def telling(action: str, path: Path) -> Iterator[None]:
    """Tell an error of the operating system as one of the store."""
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"the store must be able to {action}",
            got=f"{errno.errorcode.get(error.errno or 0, 'an error')} ({error.strerror or error})",
            where=str(path),
            do="Check free space, permissions and the disk, then run again: what was published stands",
        ) from error


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_directory(path: Path, *, private: bool = True) -> None:
    """Make a directory and its missing parents, durably; private ones are for the owner alone."""
    if path.is_dir():
        return
    make_directory(path.parent, private=private)
    with telling("make a directory", path):
        with suppress(FileExistsError):
            os.mkdir(path, PRIVATE_FOLDER if private else SHARED_FOLDER)
        sync_directory(path.parent)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path`, and put what was made under it in the place of `path`."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    with telling("write a file", path):
        try:
            yield temporary
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        # Replacing a name by another one of the same file leaves both.
        temporary.unlink(missing_ok=True)
        sync_directory(path.parent)


def atomic_write(path: Path, data: Any, *, private: bool = True) -> None:
    """Write bytes (or a buffer) under a name so that readers see the old file or the whole new one.

    Raises
    ------
    StoreError
        The operating system refused; the file of that name is as it was.
    """
    with written(path, data, private=private):
        pass


@contextmanager
def written(path: Path, data: Any, *, private: bool = True) -> Iterator[None]:
    """Do what `atomic_write` does, but have it take effect when the block ends; not at all when it fails."""
    with _replacing(path) as temporary:
        with new_file(temporary, PRIVATE_FILE if private else SHARED_FILE) as file:
            file.write(data)
            settle(file)
        yield


@contextmanager
def linked(source: Path, path: Path) -> Iterator[None]:
    """Give a durable file a second name when the block ends; a copy where the file system has no links.

    What had the name before loses it; nothing changes when the block fails.

    Raises
    ------
    StoreError
        The operating system refused; the file of that name is as it was.
    """
    with _replacing(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
                raise
            with open(source, "rb") as old, new_file(temporary) as file:
                shutil.copyfileobj(old, file, 1 << 20)
                settle(file)
        yield


def new_file(path: Path, mode: int = SHARED_FILE) -> BinaryIO:
    """Return a new file of a name that is not there yet, to be written and then given to `settle`.

    Its directory must be synced or renamed durably afterwards.
    """
    return os.fdopen(os.open(path, _NEW, mode), "wb")


def settle(file: BinaryIO) -> None:
    """Bring what was written to the disk and close the file."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


def scratch_file(folder: Path) -> BinaryIO:
    """Return a file for this process alone, to write and read; it has no name and is lost when it is closed."""
    path = folder / f".scratch.{secrets.token_hex(8)}.tmp"
    with telling("write a scratch file", path):
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w+b")
        path.unlink()
    return file


def write_scratch(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays one after another for this process alone; lost with it, so without fsync."""
    with telling("write a scratch file", path), new_file(path, PRIVATE_FILE) as file:
        for array in arrays.values():
            np.ascontiguousarray(array).tofile(file)


def rename_directory(source: Path, target: Path) -> None:
    """Give a whole directory its final name, durably."""
    with telling("rename a directory", target):
        sync_directory(source)
        os.rename(source, target)
        sync_directory(target.parent)


def move(source: Path, target: Path) -> None:
    """Give a file another name, durably."""
    with telling("move a file", target):
        os.replace(source, target)
        sync_directory(target.parent)
        sync_directory(source.parent)


def remove(path: Path) -> None:
    """Remove a file or a directory with all it holds; nothing there is fine."""
    with telling("remove a leftover", path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def remove_empty(path: Path) -> None:
    """Remove a directory if nothing is in it."""
    with telling("remove a leftover", path), suppress(FileNotFoundError):
        try:
            path.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def back_up(files: Sequence[Path], folder: Path) -> None:
    """Copy files that nobody has open into a directory that appears whole; one that is there stays as it is.

    Raises
    ------
    StoreError
        They could not be copied.
    """
    if folder.is_dir():
        return
    temporary = folder.with_name(f".{folder.name}.tmp")
    remove(temporary)
    make_directory(temporary)
    for path in files:
        target = temporary / path.name
        with telling("back up a file", target), open(path, "rb") as old, new_file(target, PRIVATE_FILE) as file:
            shutil.copyfileobj(old, file, 1 << 20)
            settle(file)
    rename_directory(temporary, folder)


def _connect(path: Path, *, writable: bool) -> duckdb.DuckDBPyConnection:
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
    with telling("write its catalog", path):
        fd = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.chmod(temporary, 0o600)
        os.replace(temporary, path)
        sync_directory(path.parent)


def open_catalog(path: Path, *, writable: bool) -> duckdb.DuckDBPyConnection:
    """Connect to an existing catalog with settings that allow it nothing but itself.

    Raises
    ------
    StoreError
        The file is missing or cannot be opened.
    """
    if not path.is_file():
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
