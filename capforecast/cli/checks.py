"""What `doctor` looks at: versions, places that must be writable, the compiler's cache, the store."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from capforecast import __version__
from capforecast.errors import CapforecastError

Check = tuple[str, bool, str]


def checks(store: str | None) -> list[Check]:
    """Return what was checked, whether it is as it must be, and what was found."""
    found = [("python", True, platform.python_version()), ("capforecast", True, __version__)]
    found += _libraries()
    found.append(_numba_cache())
    if store is not None:
        found += _store(Path(store))
    return found


def _libraries() -> Iterator[Check]:
    for requirement in requires("capforecast") or []:
        name, _, condition = requirement.partition(";")
        if "extra" in condition:
            continue
        package = name.strip()
        for sign in "<>=!~[ ":
            package = package.partition(sign)[0]
        try:
            yield package, True, version(package)
        except PackageNotFoundError:
            yield package, False, f"is not installed; {name.strip()} is needed"


def _numba_cache() -> Check:
    """Check where compiled kernels are kept: elsewhere every process compiles them anew, for seconds."""
    from capforecast import kernels

    chosen = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(chosen) if chosen else Path(kernels.__file__).parent / "__pycache__"
    problem = _unwritable(folder)
    if problem is None:
        return "numba cache", True, str(folder)
    return "numba cache", False, f"{folder}: {problem}; set NUMBA_CACHE_DIR to a directory of your own"


def _store(path: Path) -> Iterator[Check]:
    from capforecast.store import Store

    if not path.exists():
        problem = _unwritable(path.parent)
        yield "store", problem is None, f"{path} does not exist yet" + (f"; {problem}" if problem else "")
        return
    problem = _unwritable(path)
    yield "store writable", problem is None, f"{path}" + (f": {problem}" if problem else "")
    try:
        with Store.open(path) as store:
            wrong = list(store.verify())
    except CapforecastError as error:
        yield "store", False, str(error)
        return
    yield "store", not wrong, "; ".join(wrong) if wrong else "all files are whole"


def _unwritable(folder: Path) -> str | None:
    """Return why no file can be made in a directory (or in the nearest one that exists)."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)
