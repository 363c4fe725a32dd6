"""What is published, read from ``reports`` alone: no lock and no catalog, so a running writer stops nobody.

A directory in history appears whole and never changes, and ``latest.json`` is replaced by a rename: who
reads the pointer once and then the directory that it names sees one run, whatever is published meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import polars as pl

from capforecast.errors import StoreError, UnknownNameError
from capforecast.schema import TABLES
from capforecast.schema_polars import types_of
from capforecast.store.edition import file_name
from capforecast.store.layout import HISTORY, POINTER, read_manifest
from capforecast.store.parquet import damaged, read
from capforecast.store.pointer import RUN_MANIFEST, read_json, read_latest, seen_latest

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


@dataclass(frozen=True, slots=True)
class Generation:
    """A directory in history: its run, its number and its path relative to the store."""

    run_id: str
    number: int
    path: str


def read_published(
    store: Path | str, run_id: str | None = None, *, columns: Mapping[str, Sequence[str]] | None = None
) -> dict[str, pl.DataFrame]:
    """Return the tables of a published run, each file checked against its sha256.

    Parameters
    ----------
    store : path
        Directory of the store; it may be open elsewhere, for writing too.
    run_id : str, optional
        Which run, in its newest generation; the one that ``latest.json`` names without it. What a writer
        was killed over is in history until the next writer removes it, and is found by its run too.
    columns : mapping of str to sequence of str, optional
        Only these tables and columns.

    Returns
    -------
    dict of str to DataFrame
        Every table of `capforecast.schema`, or those that were asked for.

    Raises
    ------
    StoreError
        There is no store, nothing was published yet, or a file is damaged.
    UnknownNameError
        There is no run of that name; the message names the known ones.
    """
    folder, sha256 = _files_of(Path(store), run_id)
    everything = dict.fromkeys(sha256)
    wanted: Mapping[str, Sequence[str] | None] = everything if columns is None else columns
    return {name: read_table(folder, name, sha256[name], some) for name, some in wanted.items()}


def scan_published(store: Path | str, run_id: str | None = None) -> Mapping[str, pl.LazyFrame]:
    """Return the tables of a published run to be read in part, each checked when it is first asked for.

    Parameters and errors are those of `read_published`.
    """
    folder, sha256 = _files_of(Path(store), run_id)

    def scan(name: str) -> pl.LazyFrame:
        return pl.scan_parquet(_checked(folder, name, sha256[name]))

    return OnDemand(sha256, scan)


def published_tables(
    folder: Path, files: Mapping[str, str], known: Mapping[str, pl.DataFrame]
) -> Mapping[str, pl.DataFrame]:
    """Return the tables of one directory in history, each read when it is first asked for.

    Parameters
    ----------
    folder : Path
        The directory.
    files : mapping of str to str
        Name of each file to its sha256.
    known : mapping of DataFrame
        Tables that need not be read.
    """
    sha256 = {name: files[f"{name}.parquet"] for name in TABLES}
    return OnDemand(sha256, lambda name: known[name] if name in known else read_table(folder, name, sha256[name]))


def _files_of(store: Path, run_id: str | None) -> tuple[Path, dict[str, str]]:
    """Return the directory of a run, and the sha256 of each table."""
    read_manifest(store)
    pointer = read_latest(store)
    if run_id is None:
        if pointer is None:
            raise StoreError("a run must have been published", got="none", where=str(store), do="Run `capforecast run`")
        told, folder, files = store / POINTER, store / str(pointer["path"]), pointer["files"]
    else:
        found = generations(store)
        mine = [generation for generation in found if generation.run_id == run_id]
        if not mine:
            raise UnknownNameError("run", run_id, {generation.run_id for generation in found})
        folder = store / max(mine, key=lambda generation: generation.number).path
        told = folder / RUN_MANIFEST
        files = read_json(told, {"files": dict})["files"]
    strange = [name for name in files if name.removesuffix(".parquet") not in TABLES]
    if strange:
        raise damaged(told, f"no table has the file {strange[0]!r}")
    return folder, {name.removesuffix(".parquet"): str(one["sha256"]) for name, one in files.items()}


def history_path(run_id: str, run_date: date, generation: int) -> str:
    """Return the directory of a run, relative to the store."""
    suffix = f"~{generation}" if generation > 1 else ""
    return f"{HISTORY}/run_date={run_date.isoformat()}/run_id={file_name(run_id, 'run_id')}{suffix}"


def staging_path(run_id: str, run_date: date) -> str:
    """Return the directory in which a run is written, relative to the store."""
    return f"{HISTORY}/run_date={run_date.isoformat()}/.run_id={file_name(run_id, 'run_id')}.tmp"


def generations(store: Path) -> list[Generation]:
    """Return what is in history, by path."""
    out = []
    for path in sorted((store / HISTORY).glob("run_date=*/run_id=*")):
        # No run_id contains a tilde.
        run_id, _, number = path.name.removeprefix("run_id=").partition("~")
        if not number or number.isdecimal():
            out.append(Generation(run_id, int(number or 1), path.relative_to(store).as_posix()))
    return out


def stray_history(store: Path, known: set[str]) -> list[str]:
    """Return directories in history that neither the catalog nor ``latest.json`` names; none where that is damaged."""
    pointer, damage = seen_latest(store)
    if damage:
        return []
    keep = known | ({str(pointer["path"])} if pointer else set())
    found = sorted((store / HISTORY).glob("run_date=*/*run_id=*"))
    return [p.relative_to(store).as_posix() for p in found if p.relative_to(store).as_posix() not in keep]


def read_table(folder: Path, name: str, sha256: str, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a table of a run, or some columns of it, and check the file against its sha256.

    Raises
    ------
    StoreError
        The file is missing or is not what was published.
    """
    types = types_of(TABLES[name])
    wanted = list(columns or types)
    frame = pl.DataFrame(pl.from_arrow(read(_checked(folder, name, sha256), wanted)))
    return frame.cast({column: types[column] for column in wanted})


def _checked(folder: Path, name: str, sha256: str) -> Path:
    """Return the file of a table, which is what was published."""
    path = folder / f"{name}.parquet"
    problem = check_file(path, sha256)
    if problem:
        raise damaged(path, problem)
    return path


class OnDemand(Mapping[str, Frame]):
    """Tables by name, each opened when it is first asked for.

    Parameters
    ----------
    names : iterable of str
        Their names.
    opened : callable
        Returns the table of a name.
    """

    def __init__(self, names: Iterable[str], opened: Callable[[str], Frame]):
        self._names = tuple(names)
        self._opened: Callable[[str], Frame] = opened
        self._open: dict[str, Frame] = {}

    def __getitem__(self, name: str) -> Frame:
        if name not in self._names:
            raise KeyError(name)
        if name not in self._open:
            self._open[name] = self._opened(name)
        return self._open[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def check_file(path: Path, sha256: str) -> str:
    """Return what is wrong with a file of known sha256, empty when nothing is."""
    try:
        with open(path, "rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return "" if got == sha256 else "differs from its sha256"


def damaged_files(folder: Path, manifest: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return ``NAME: problem`` for each file of a manifest that is not as it was written."""
    problems = ((name, check_file(folder / name, str(expected["sha256"]))) for name, expected in manifest.items())
    return [f"{name}: {problem}" for name, problem in problems if problem]
