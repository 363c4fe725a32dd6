"""Where compiled kernels are kept between processes, and how they are read and written.

One file per kernel and types of its arguments. A file begins with the digest of what follows, so that one
that was cut or changed on the disk is as good as none, and it appears under its name only when it is
whole, so that processes that write it at the same time do no harm. What lies in it is executed: a
directory that another user can write to is not looked into. Nothing here raises an error; where kernels
cannot be kept, each process compiles them anew and says so once.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

VARIABLE = "NUMBA_CACHE_DIR"
ENDING = ".kernel"

_KERNELS = Path(__file__).parent / "kernels"
_TAG = f"capforecast-{hashlib.sha256(str(_KERNELS).encode()).hexdigest()[:12]}"
"""Two installations that share a directory do not clear away each other's files."""
_DIGEST = hashlib.sha256().digest_size

say: Callable[[str], None] | None = None
"""Tells the user what is going on, in a process of the command line; elsewhere that is logged."""

_warned = False
_used: set[Path] = set()


class _Place(NamedTuple):
    """A directory that may hold kernels, whose choice it is, and what of it nobody else may write to."""

    folder: Path
    reason: str
    guarded: tuple[Path, ...] = ()


def load(name: str) -> bytes | None:
    """Return the content of a file that was kept, None when there is none that is whole."""
    problem = None
    for place in _places():
        path = place.folder / name
        if not _trusted(place):
            continue
        try:
            content = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            problem = problem or f"{path} cannot be read ({error.strerror})"
            continue
        if hashlib.sha256(content[_DIGEST:]).digest() == content[:_DIGEST]:
            _used.add(place.folder)
            return content[_DIGEST:]
        problem = problem or f"{path} is damaged"
    if problem is not None:
        _warn(f"{problem}: the kernel is compiled again")
    return None


def save(name: str, content: bytes) -> bool:
    """Keep a file in the first place that takes it, and tell whether there is one.

    Parameters
    ----------
    name : str
        ``FAMILY.SOURCE-KEY.kernel``: files of the same family from another source are removed.
    content : bytes
        What `load` shall return.
    """
    problem = None
    for place in _places():
        try:
            _make(place)
            _write(place.folder, name, hashlib.sha256(content).digest() + content)
        except OSError as error:
            problem = problem or f"{place.folder} ({error.strerror or error})"
            continue
        if problem is not None and os.environ.get(VARIABLE):
            _warn(f"compiled kernels cannot be kept in {problem}, as {VARIABLE} says: {place.folder} is taken")
        _clear(place.folder, name)
        _used.add(place.folder)
        return True
    _warn(
        f"compiled kernels cannot be kept anywhere, such as {problem}: every process compiles them anew; "
        f"set {VARIABLE} to a directory of your own"
    )
    return False


def used() -> list[Path]:
    """Return the directories that kernels of this process were read from or kept in."""
    return sorted(_used)


def kept() -> set[str]:
    """Return the names of the files that are kept, in all places."""
    found: set[str] = set()
    for place in _places():
        with suppress(OSError):
            if _trusted(place):
                found.update(name for name in os.listdir(place.folder) if name.endswith(ENDING))
    return found


def choose() -> tuple[Path, str] | None:
    """Return the directory that the next compiled kernel is kept in and why, None when there is none."""
    for place in _places():
        with suppress(OSError):
            _make(place)
            _write(place.folder, "", b"")
            return place.folder, place.reason
    return None


def _places() -> Iterator[_Place]:
    """Yield the directories that may hold kernels, the preferred one first.

    ``NUMBA_CACHE_DIR`` decides when it is set; else it is the package's own folder, which is as good as its
    code. Where that cannot be used it is a directory under ``XDG_CACHE_HOME`` (or ``~/.cache``), else under
    ``TMPDIR`` (or ``/tmp``), for the owner alone.
    """
    wanted = os.environ.get(VARIABLE)
    if wanted:
        folder = Path(wanted).absolute() / _TAG
        yield _Place(folder, f"as {VARIABLE} says", (folder,))
        otherwise = f"that of {VARIABLE} cannot be used"
    else:
        yield _Place(_KERNELS / "__pycache__", "beside the package")
        otherwise = "the folder of the package cannot be written to"
    for cache in (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")):
        # Without a home directory the tilde stays; a relative path would depend on where the program is called.
        if os.path.isabs(cache):
            folder = Path(cache) / "capforecast" / "kernels"
            yield _Place(folder / _TAG, otherwise, (folder, folder / _TAG))
            break
    temporary = os.environ.get("TMPDIR", "")
    folder = Path(temporary if os.path.isabs(temporary) else "/tmp") / f"capforecast-kernels-{os.getuid()}"
    yield _Place(folder / _TAG, otherwise, (folder, folder / _TAG))


def _trusted(place: _Place) -> bool:
    """Tell whether a directory is there and nobody else could have written what lies in it."""
    try:
        return not any(_refusal(folder) for folder in place.guarded)
    except OSError:
        return False


def _refusal(folder: Path) -> str | None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is no directory"
    if found.st_uid not in (0, os.getuid()):
        return f"{folder} belongs to another user"
    return f"others can write to {folder}" if found.st_mode & 0o022 else None


def _make(place: _Place) -> None:
    """Make a directory if it is missing, and raise an error where it cannot be or is not to be trusted."""
    if place.guarded:
        place.guarded[0].parent.mkdir(0o700, parents=True, exist_ok=True)
    # What the variable names may be made by one user, with an image, and read by others.
    mode = 0o700 if len(place.guarded) > 1 else 0o755
    for folder in place.guarded or (place.folder,):
        with suppress(FileExistsError):
            folder.mkdir(mode)
    for refusal in filter(None, map(_refusal, place.guarded)):
        raise OSError(refusal)


def _write(folder: Path, name: str, data: bytes) -> None:
    """Write a file whole or not at all; without a name only try to."""
    temporary = folder / f".{name}.{os.urandom(8).hex()}"
    try:
        with open(temporary, "xb") as file:
            file.write(data)
        if name:
            os.replace(temporary, folder / name)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _clear(folder: Path, name: str) -> None:
    """Remove the files of a family that other sources left."""
    family, rest, _ = name.rsplit(".", 2)
    source = rest.partition("-")[0]
    with suppress(OSError):
        for other in os.listdir(folder):
            if other.startswith(f"{family}.") and not other.startswith(f"{family}.{source}-"):
                (folder / other).unlink(missing_ok=True)


def _warn(text: str) -> None:
    """Say once per process that something is wrong with the kept kernels."""
    global _warned
    if not _warned:
        _warned = True
        print(f"Warning: {text}", file=sys.stderr)
