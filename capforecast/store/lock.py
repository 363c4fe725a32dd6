"""The lock of a run: one writer or many readers, on a file of its own, released by the kernel when a process dies."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import sys
import time
from contextlib import suppress
from pathlib import Path

from capforecast.errors import LockedError
from capforecast.store.refusals import telling

POLL_SECONDS = 0.05


class RunLock:
    """The lock of a store, held."""

    def __init__(self, fd: int, *, exclusive: bool):
        self._fd, self._exclusive = fd, exclusive

    def release(self) -> None:
        """Give the lock back; a second call does nothing."""
        if self._fd < 0:
            return
        if self._exclusive:
            with suppress(OSError):  # A name that stays is that of a process that holds nothing.
                os.ftruncate(self._fd, 0)
        os.close(self._fd)
        self._fd = -1


def _open_lock(path: Path, *, exclusive: bool) -> int:
    flags = os.O_RDWR if exclusive else os.O_RDONLY
    try:
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        pass
    try:
        return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.EROFS and not exclusive:
            return -1  # Nobody can write to a read-only file system: there is nobody to lock out.
        raise


def run_lock(path: Path, *, exclusive: bool, wait_seconds: float = 0.0) -> RunLock:
    """Take the lock, waiting at most `wait_seconds`.

    Raises
    ------
    LockedError
        Another process holds it; the message names the process.
    StoreError
        The file system has no locks, or the file cannot be opened.
    """
    with telling("open its lock", path):
        fd = _open_lock(path, exclusive=exclusive)
    if fd < 0:
        return RunLock(fd, exclusive=False)
    try:
        with telling("take its lock", path):
            _take(fd, path, exclusive, wait_seconds)
    except BaseException:
        os.close(fd)
        raise
    if exclusive:
        with suppress(OSError):  # Who holds it is told where there is room for it.
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(_about()).encode() + b"\n", 0)
    return RunLock(fd, exclusive=exclusive)


def _take(fd: int, path: Path, exclusive: bool, wait_seconds: float) -> None:
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockedError(
                    "the lock of the store must be free",
                    got=f"held by {_holder(fd, exclusive=exclusive)}",
                    where=str(path),
                    do="Try again later, or wait for it with --wait SECONDS",
                ) from None
            time.sleep(POLL_SECONDS)


def _about() -> dict[str, object]:
    """Return who we are, for those who wait."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {"pid": os.getpid(), "host": socket.gethostname(), "start": now, "command": _command()}


def _command() -> str:
    """Return the program and its verb; what follows may name secrets."""
    program = Path(sys.argv[0]).name if sys.argv else ""
    if not program or program == "-c":
        return "python"
    return " ".join([program, *(word for word in sys.argv[1:2] if word.isalpha())])


def _holder(fd: int, *, exclusive: bool) -> str:
    if exclusive:
        with suppress(BlockingIOError):
            # Sharing works, so it is readers that hold it; a name in the file is that of a killed writer.
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return "a process that reads it"
    try:
        told = json.loads(os.pread(fd, 4096, 0))
        name = f" ({told['command']})" if told.get("command") else ""
        return f"process {told['pid']}{name} on {told['host']} since {told['start']}"
    except (ValueError, KeyError, TypeError):
        return "a process that writes it"
