"""Every durable write of a store, but for those of DuckDB, which `database` opens.

Of the store only this module (and `lock`, for its own file) opens files for writing, renames, removes and fsyncs, so
this is the seam at which faults are injected. A file becomes visible under its name only when it is whole and on disk:
temporary name in the same directory, write, fsync, rename, fsync of the directory. What is no part of a store is
written elsewhere: compiled kernels, temporary copies, files that a command was told to write.
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
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from capforecast.store.refusals import telling

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
SHARED_FILE, SHARED_FOLDER = 0o664, 0o775
"""Modes before the umask: whatever that is, nothing can be written to by everybody."""
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Replacement(NamedTuple):
    """A file that is whole and on the disk, under a temporary name in the directory of the one that it replaces."""

    temporary: Path
    path: Path


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


def atomic_write(path: Path, data: Any, *, private: bool = True) -> None:
    """Write bytes (or a buffer) under a name so that readers see the old file or the whole new one.

    Raises
    ------
    StoreError
        The operating system refused; the file of that name is as it was.
    """
    with together() as replaced:
        replaced.append(ready(path, data, private=private))


@contextmanager
def together() -> Iterator[list[Replacement]]:
    """Give a list for what `ready` and `ready_link` return: when the block ends all of it gets its names, or none.

    The files of a list lie in one directory. They are replaced in their order, and the last one, which readers
    may take for a sign of the others, when the names of those are on the disk.

    Raises
    ------
    StoreError
        The operating system refused; the names lead to what they did.
    """
    replaced: list[Replacement] = []
    try:
        yield replaced
        if replaced:
            with telling("write a file", replaced[-1].path):
                _replace_all(replaced)
    finally:
        # Replacing a name by another one of the same file leaves both.
        _unlink_quietly([one.temporary for one in replaced])


def _replace_all(replaced: Sequence[Replacement]) -> None:
    folder, several = replaced[-1].path.parent, len(replaced) > 1
    before: list[tuple[Path, Path | None]] = []
    try:
        if several:
            before.extend((one.path, _second_name(one.path)) for one in replaced)
        for one in replaced:
            if several and one is replaced[-1]:
                sync_directory(folder)
            os.replace(one.temporary, one.path)
        sync_directory(folder)
    except BaseException:
        for path, old in reversed(before):
            # What refuses once may refuse again: then `verify` names the file, and the next run replaces it.
            with suppress(OSError):
                path.unlink(missing_ok=True) if old is None else os.replace(old, path)
        raise
    finally:
        _unlink_quietly([old for _, old in before if old is not None])


def _second_name(path: Path) -> Path | None:
    """Return a second name of a file, None where there is no file."""
    return ready_link(path, path).temporary if path.exists() else None


def _unlink_quietly(paths: Sequence[Path]) -> None:
    """Remove files that the next writer removes where it cannot be done now."""
    for path in paths:
        with suppress(OSError):
            path.unlink(missing_ok=True)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Give a temporary name in the directory of a file; what has it is gone when the block fails."""
    temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
    try:
        with telling("write a file", path):
            yield temporary
    except BaseException:
        _unlink_quietly([temporary])
        raise


def ready(path: Path, data: Any, *, private: bool = True) -> Replacement:
    """Bring bytes (or a buffer) to the disk under a temporary name.

    Raises
    ------
    StoreError
        The operating system refused.
    """
    with _beside(path) as temporary, new_file(temporary, PRIVATE_FILE if private else SHARED_FILE) as file:
        file.write(data)
        settle(file)
    return Replacement(temporary, path)


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Give a private file to write; it gets its name, as with `atomic_write`, when the block ends.

    Raises
    ------
    StoreError
        The operating system refused; the file of that name is as it was.
    """
    with together() as replaced:
        with _beside(path) as temporary, new_file(temporary, PRIVATE_FILE) as file:
            yield file
            settle(file)
        replaced.append(Replacement(temporary, path))


def ready_link(source: Path, path: Path) -> Replacement:
    """Give a durable file a temporary second name; a copy where the file system has no links.

    Raises
    ------
    StoreError
        The operating system refused.
    """
    with _beside(path) as temporary:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV):
                raise
            with open(source, "rb") as old, new_file(temporary) as file:
                shutil.copyfileobj(old, file, 1 << 20)
                settle(file)
    return Replacement(temporary, path)


def ready_file(temporary: Path, path: Path) -> Replacement:
    """Bring a file to the disk that somebody else wrote, for its owner alone.

    Raises
    ------
    StoreError
        The operating system refused.
    """
    with telling("write a file", path):
        fd = os.open(temporary, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.chmod(temporary, PRIVATE_FILE)
    return Replacement(temporary, path)


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


def abandon(file: BinaryIO) -> None:
    """Close a file that nobody wants any more; what is still to be written may find no room."""
    with suppress(OSError):
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
