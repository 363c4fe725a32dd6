"""What `doctor` looks at: versions, places that must be writable, the compiler's cache, the store."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from capforecast import __version__, kernel_cache
from capforecast.errors import CapforecastError, LockedError

OK, WRONG, BUSY = "ok", "WRONG", "busy"
Check = tuple[str, str, str]
"""What was looked at; ok, WRONG or busy; what was found."""


def checks(store: str | None, *, repair: bool = False) -> list[Check]:
    """Return what was checked, its state (ok, WRONG or busy), and what was found; repair the store before."""
    found = [("python", OK, platform.python_version()), ("capforecast", OK, __version__)]
    found += _libraries()
    found.append(_kernels())
    if store is not None:
        found += [*_repaired(Path(store), repair), *_store(Path(store))]
    return found


def _libraries() -> Iterator[Check]:
    for requirement in requires("capforecast") or []:
        wanted, _, condition = requirement.partition(";")
        if "extra" in condition:
            continue
        package, limits = _split(wanted)
        try:
            found = version(package)
        except PackageNotFoundError:
            yield package, WRONG, f"is not installed; {wanted.strip()} is needed"
            continue
        fits = all(_fits(found, sign, limit) for sign, limit in limits)
        yield package, _state(fits), found if fits else f"{found} does not fit {wanted.strip()}"


def _split(requirement: str) -> tuple[str, list[tuple[str, str]]]:
    """Return the package and its bounds: ``polars>=2,<3`` is polars, >= 2 and < 3."""
    package = re.match(r"[A-Za-z0-9._-]+", requirement.strip())
    return package[0] if package else requirement, re.findall(r"(>=|<)\s*([0-9.]+)", requirement)


def _fits(found: str, sign: str, limit: str) -> bool:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in re.findall(r"\d+", text)[:3]]

    return numbers(found) >= numbers(limit) if sign == ">=" else numbers(found) < numbers(limit)


def _kernels() -> Check:
    """Check where compiled kernels are kept: elsewhere every process compiles them anew, for seconds."""
    chosen = kernel_cache.choose()
    if chosen is None:
        advice = f"set {kernel_cache.VARIABLE} to a directory of your own"
        return "kernels", WRONG, f"no directory for compiled kernels can be written to; {advice}"
    folder, reason = chosen
    return "kernels", OK, f"{len(kernel_cache.kept())} compiled; kept in {folder} ({reason})"


def _store(path: Path) -> Iterator[Check]:
    from capforecast.store import Store

    if not path.exists():
        problem = _unwritable(path.parent)
        yield "store", _state(problem is None), f"{path} does not exist yet" + (f"; {problem}" if problem else "")
        return
    problem = _unwritable(path)
    yield "store writable", _state(problem is None), f"{path}" + (f": {problem}" if problem else "")
    try:
        with Store.open(path) as store:
            wrong = list(store.verify())
    except CapforecastError as error:
        yield "store", BUSY if isinstance(error, LockedError) else WRONG, str(error)
        return
    yield "store", _state(not wrong), "; ".join(wrong) if wrong else "all files are whole"


def _repaired(path: Path, wanted: bool) -> Iterator[Check]:
    from capforecast.store import Store

    if not wanted or not path.exists():
        return
    try:
        with Store.open(path, writable=True) as store:
            done, left = store.repair()
    except CapforecastError as error:
        yield "repair", BUSY if isinstance(error, LockedError) else WRONG, str(error)
        return
    yield "repair", _state(not left), "; ".join([*done, *left]) or "nothing had to be repaired"


def _state(fine: bool) -> str:
    return OK if fine else WRONG


def _unwritable(folder: Path) -> str | None:
    """Return why no file can be made in a directory (or in the nearest one that exists)."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)
