"""What the operating system refuses, told as an error of the store that says what to do about it."""

from __future__ import annotations

import errno
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from capforecast.errors import StoreError


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
            do=f"{advice(error, path)}. What was published stands",
        ) from error


def advice(error: OSError, path: Path) -> str:
    """Return what to do about an error of the operating system that a path met."""
    if error.errno in (errno.EACCES, errno.EPERM):
        belongs = f"It belongs to {_owner(path)} and this process to {_name(os.geteuid())}"
        return f"{belongs}: run as the owner, or change its mode"
    if error.errno == errno.EROFS:
        return "The file system is read-only: mount it for writing, or name another store with --store"
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "Make room on the file system or raise the limit, then run again"
    return "Check free space, permissions and the disk, then run again"


def _owner(path: Path) -> str:
    """Return who owns a path, or the nearest directory above it that can be looked at."""
    for one in (path, *path.parents):
        try:
            return _name(os.stat(one).st_uid)
        except OSError:
            continue
    return "another user"


def _name(uid: int) -> str:
    try:
        return f"user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"user {uid}"
