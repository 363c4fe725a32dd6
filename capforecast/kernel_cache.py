"""Where compiled kernels are kept between processes, decided before the compiler is loaded.

The compiler writes into ``__pycache__`` next to the kernels, and fails on import where it finds no
directory it can write to. A system-wide installation is read-only for its users, so they get a
directory of their own: for the owner alone, because what lies in it is executed.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

VARIABLE = "NUMBA_CACHE_DIR"
NO_CACHE = "cannot cache function"
"""How the compiler's complaint begins when it has no directory."""

_KERNELS = Path(__file__).parent / "kernels"
_BESIDE = _KERNELS / "__pycache__"

_warned = False


def choose() -> Path | None:
    """Return where compiled kernels are kept, set for the compiler if it is not its own choice.

    ``NUMBA_CACHE_DIR`` decides when it is set; else the package's own folder where that can be written to;
    else a private directory under ``XDG_CACHE_HOME`` (or ``~/.cache``), else under ``TMPDIR`` (or ``/tmp``).
    Where none of these can be used a warning goes to stderr, once, and None is returned.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    if os.access(_BESIDE if _BESIDE.exists() else _KERNELS, os.W_OK | os.X_OK):
        return _BESIDE
    for folder in _private():
        if _usable(folder):
            os.environ[VARIABLE] = str(folder)
            return folder
    _warn()
    return None


def reason(folder: Path) -> str:
    """Return why compiled kernels are kept in the directory that `choose` returned."""
    if folder == _BESIDE:
        return "beside the package"
    return "the folder of the package cannot be written to" if folder in _private() else f"as {VARIABLE} says"


def _private() -> Iterator[Path]:
    for cache in (os.environ.get("XDG_CACHE_HOME", ""), os.path.expanduser("~/.cache")):
        # Without a home directory the tilde stays; a relative path would depend on where the program is called.
        if os.path.isabs(cache):
            yield Path(cache) / "capforecast" / "kernels"
            break
    yield Path(os.environ.get("TMPDIR") or "/tmp") / f"capforecast-kernels-{os.getuid()}"


def _usable(folder: Path) -> bool:
    """Tell whether a directory is, or can be made, one that only its owner can write to and look into."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.is_symlink():
            folder.mkdir(mode=0o700, exist_ok=True)
        found = os.lstat(folder)
    except OSError:
        return False
    private = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077
    return private and os.access(folder, os.W_OK | os.X_OK)


def _warn() -> None:
    global _warned
    if not _warned:
        _warned = True
        message = f"Warning: compiled kernels cannot be kept anywhere; set {VARIABLE} to a directory of your own"
        print(message, file=sys.stderr)
