"""Publishing a run: immutable files in history, then fixed names for BI, then the pointer.

Order, and what a kill at each point leaves:

1. history directory, made under a temporary name and renamed whole - a leftover until step 2;
2. the catalog names the run - from here on the run can be read by its name;
3. ``reports/latest`` file by file - ``latest.json`` still names the run before;
4. ``latest.json`` - the run is the latest;
5. an earlier generation of the same run is removed.

Publishing a run again with the same content repeats steps 3 and 4 only. With other content the run
gets a new directory, ``run_id=NAME~N`` with the next generation N: a published file never changes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from capforecast.errors import StoreError
from capforecast.schema import SCHEMA_VERSION, TABLES
from capforecast.store import durable
from capforecast.store.catalog import Catalog
from capforecast.store.edition import POLARS, Edition, file_name, sha256_of
from capforecast.store.layout import HISTORY, LATEST
from capforecast.store.parquet import damaged, read
from capforecast.times import format_moment

IDENTITY = ("run_id", "run_date", "as_of_us", "run_us")


@dataclass(frozen=True, slots=True)
class Published:
    """A published run.

    Attributes
    ----------
    run_id : str
        Name of the run.
    path : str
        Its directory, relative to the store.
    generation : int
        1, and one more each time the run was published again with other content.
    changed : bool
        False when exactly this had been published before.
    files : dict
        Name of each file in ``reports/latest`` to its sha256.
    """

    run_id: str
    path: str
    generation: int
    changed: bool
    files: dict[str, str]


def publish_run(
    store: Path,
    catalog: Catalog,
    committed: Callable[[int], None],
    run: Mapping[str, object],
    content: Edition,
) -> Published:
    """Publish an edition in the order that the module describes.

    Parameters
    ----------
    store, catalog
        The store, open for writing.
    committed : callable
        Called with the number of the commit as soon as it is durable.
    run : mapping
        run_id, run_date, as_of_us, run_us; anything else is kept as JSON.
    content : Edition
        What is published.
    """
    run_id, run_date, as_of_us, run_us = required(run)
    before = catalog.run(run_id)
    if before and _is_same(store, before, content, run_date):
        files = write_latest(store, run, before["path"], content)
        return Published(run_id, before["path"], before["generation"], False, files)
    generation = _next_generation(store, before, run_id, run_date)
    path = history_path(run_id, run_date, generation)
    write_history(store, path, content)
    row = {
        "run_id": run_id,
        "run_date": run_date,
        "as_of_us": as_of_us,
        "run_us": run_us,
        "generation": generation,
        "path": path,
        "manifest": json.dumps(content.manifest(), sort_keys=True),
        "details": json.dumps({key: run[key] for key in sorted(run) if key not in IDENTITY}, default=str),
    }
    with catalog.transaction() as number:
        catalog.record_run({**row, "commit_number": number})
    committed(number)
    files = write_latest(store, run, path, content)
    if before:
        durable.remove(store / before["path"])
    return Published(run_id, path, generation, True, files)


def write_history(store: Path, path: str, content: Edition) -> None:
    """Write the immutable files of a run: the directory appears whole."""
    target = store / path
    temporary = target.with_name(f".{target.name}.tmp")
    durable.remove(temporary)
    # A directory of that name that the catalog does not know was left by a killed run.
    durable.remove(target)
    durable.make_directory(temporary, private=False)
    for name, data in content.tables.items():
        durable.atomic_write(temporary / name, data, private=False)
    durable.rename_directory(temporary, target)


def write_latest(store: Path, run: Mapping[str, object], path: str, content: Edition) -> dict[str, str]:
    """Replace the files of ``reports/latest``, the pointer last; returns the sha256 of each file."""
    latest = store / LATEST
    durable.make_directory(latest, private=False)
    files = {**content.tables, **content.pages}
    for name, data in files.items():
        durable.atomic_write(latest / name, data, private=False)
    pointer = {
        "run_id": run["run_id"],
        "run_date": str(run["run_date"]),
        "as_of": format_moment(int(str(run["as_of_us"]))),
        "schema_version": SCHEMA_VERSION,
        "path": path,
        "files": content.manifest(),
        "pages": {name: {"bytes": len(data), "sha256": sha256_of(data)} for name, data in content.pages.items()},
    }
    text = json.dumps(pointer, indent=2, sort_keys=True) + "\n"
    durable.atomic_write(latest / "latest.json", text.encode(), private=False)
    return {name: sha256_of(data) for name, data in files.items()}


def history_path(run_id: str, run_date: date, generation: int) -> str:
    """Return the directory of a run, relative to the store."""
    suffix = f"~{generation}" if generation > 1 else ""
    return f"{HISTORY}/run_date={run_date.isoformat()}/run_id={file_name(run_id, 'run_id')}{suffix}"


def _is_same(store: Path, before: Mapping[str, Any], content: Edition, run_date: date) -> bool:
    """Tell whether a run was published with exactly this content, and its files are undamaged."""
    manifest = content.manifest()
    return (
        json.loads(before["manifest"]) == manifest
        and before["run_date"] == run_date
        and not any(check_file(store / before["path"] / name, m["sha256"]) for name, m in manifest.items())
    )


def _next_generation(store: Path, before: Mapping[str, Any] | None, run_id: str, run_date: date) -> int:
    """Return the generation whose directory neither the catalog nor ``latest.json`` names."""
    generation = int(before["generation"]) + 1 if before else 1
    pointer = read_latest(store)
    while pointer and pointer["path"] == history_path(run_id, run_date, generation):
        generation += 1
    return generation


def read_latest(store: Path) -> dict[str, Any] | None:
    """Return ``latest.json``, None when nothing was published yet.

    Raises
    ------
    StoreError
        The file is damaged.
    """
    path = store / LATEST / "latest.json"
    try:
        return dict(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise damaged(path, error) from error


def read_files(store: Path, path: str, manifest: Mapping[str, Mapping[str, Any]]) -> dict[str, pl.DataFrame]:
    """Read the tables of a run and check each file against its sha256.

    Raises
    ------
    StoreError
        A file is missing or is not what was published.
    """
    out = {}
    for name, expected in manifest.items():
        problem = check_file(store / path / name, str(expected["sha256"]))
        if problem:
            raise damaged(store / path / name, problem)
        table = TABLES[name.removesuffix(".parquet")]
        frame = pl.DataFrame(pl.from_arrow(read(store / path / name, list(table.names))))
        out[table.name] = frame.cast({column.name: POLARS[column.type] for column in table.columns})
    return out


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


def stray_history(store: Path, known: set[str]) -> list[str]:
    """Return directories in history that neither the catalog nor ``latest.json`` names."""
    pointer = read_latest(store)
    keep = known | ({str(pointer["path"])} if pointer else set())
    found = sorted((store / HISTORY).glob("run_date=*/*run_id=*"))
    return [p.relative_to(store).as_posix() for p in found if p.relative_to(store).as_posix() not in keep]


def required(run: Mapping[str, object]) -> tuple[str, date, int, int]:
    """Return run_id, run_date, as_of_us and run_us of a run.

    Raises
    ------
    StoreError
        One is missing or of another type.
    """
    run_id, run_date = run.get("run_id"), run.get("run_date")
    as_of_us, run_us = run.get("as_of_us"), run.get("run_us")
    if not (
        isinstance(run_id, str) and isinstance(run_date, date) and isinstance(as_of_us, int) and isinstance(run_us, int)
    ):
        raise StoreError(
            "a run must have run_id (str), run_date (date), as_of_us and run_us (int)", got=repr(dict(run))
        )
    return run_id, run_date, as_of_us, run_us
