"""Publishing a run: immutable files in history, then fixed names for BI, then the pointer.

Order, and what a kill at each point leaves:

1. history directory, written under a temporary name and renamed whole - a leftover until step 2;
2. the catalog names the run - from here on it is part of history for good;
3. ``reports/latest`` file by file, the tables as second names of the files in history - ``latest.json``
   still names the run before;
4. ``latest.json`` - the run is the latest.

A run that looks at an earlier moment than the latest one (its as_of is older) goes into history only, and
its pages with it, unless that one looks at a moment that has not come yet: a mistyped as_of ends with the next
run. A published file never changes: a run that is published again with another content gets
a new directory, ``run_id=NAME~N`` with the next generation N. The content is all tables but ``run``, which
counts what this very repetition did; a repetition that differs in nothing else changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

from capforecast.errors import StoreError
from capforecast.schema import SCHEMA_VERSION
from capforecast.store import durable
from capforecast.store.catalog import Catalog
from capforecast.store.history import damaged_files, history_path
from capforecast.store.layout import LATEST
from capforecast.store.pointer import RUN_MANIFEST, seen_latest
from capforecast.times import DAY_US, format_moment, parse_moment

AHEAD_US = DAY_US
"""A run as of a moment that lies further ahead of the clock gives way to the next one."""
IDENTITY = ("run_id", "run_date", "as_of_us", "run_us")
_COUNTERS = "run.parquet"
Manifest = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Edition:
    """What is published.

    Attributes
    ----------
    folder : Path
        Where the files of the tables lie, on disk but for their names.
    manifest : dict
        Name of each file to its rows, bytes and sha256.
    pages : mapping of file name to bytes
        Further files for ``reports/latest``.
    """

    folder: Path
    manifest: Manifest
    pages: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Published:
    """A published run.

    Attributes
    ----------
    run_id : str
        Name of the run.
    path : str
        Its directory in history, relative to the store.
    generation : int
        1, and one more each time the run was published again with other content.
    changed : bool
        False when this had been published before.
    files : dict
        Name of each file, tables and pages, to its sha256.
    latest : bool
        Is it what ``reports/latest`` shows; False for a run with an older as_of than the latest one that has come.
    paths : dict
        Name of each file to where it is, relative to the store: in ``reports/latest``, or in history
        when the run is not the latest.
    """

    run_id: str
    path: str
    generation: int
    changed: bool
    files: dict[str, str]
    latest: bool
    paths: dict[str, str]


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
    broken = ""
    if before and _is_same(before, content, (run_date, as_of_us)):
        then = json.loads(before["manifest"])
        if not damaged_files(store / before["path"], then):
            return _show(store, run, before["path"], before["generation"], replace(content, manifest=then), False)
        broken = before["path"]
    generation = _next_generation(store, before, run_id, run_date)
    path = history_path(run_id, run_date, generation)
    write_history(store, path, run, content)
    row = {
        "run_id": run_id,
        "run_date": run_date,
        "as_of_us": as_of_us,
        "run_us": run_us,
        "generation": generation,
        "path": path,
        "manifest": json.dumps(content.manifest, sort_keys=True),
        "details": json.dumps({key: run[key] for key in sorted(run) if key not in IDENTITY}, default=str),
    }
    with catalog.transaction() as number:
        catalog.record_run({**row, "commit_number": number}, instead_of=broken)
    committed(number)
    shown = _show(store, run, path, generation, content, True)
    if broken:
        # Its files are not what was published any more, and their content is in the new directory.
        durable.remove(store / broken)
    return shown


def write_history(store: Path, path: str, run: Mapping[str, object], content: Edition) -> None:
    """Give the immutable files of a run their place: the directory appears whole."""
    # A directory of that name that the catalog does not know was left by a killed run.
    durable.remove(store / path)
    write_manifest(content.folder, run, path, content.manifest)
    durable.rename_directory(content.folder, store / path)


def write_manifest(folder: Path, run: Mapping[str, object], path: str, files: Manifest) -> None:
    """Write what tells readers of history alone which files a run has."""
    told = json.dumps({**_about(run, path), "files": files}, indent=2, sort_keys=True) + "\n"
    durable.atomic_write(folder / RUN_MANIFEST, told.encode(), private=False)


def write_latest(store: Path, run: Mapping[str, object], path: str, content: Edition) -> None:
    """Replace the files of ``reports/latest``, the pointer last."""
    latest = store / LATEST
    durable.make_directory(latest, private=False)
    pointer = {
        **_about(run, path),
        "files": content.manifest,
        "pages": {name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in content.pages.items()},
    }
    text = json.dumps(pointer, indent=2, sort_keys=True) + "\n"
    # All is made ready before the first name changes, so that a disk that is full leaves the run before as it was.
    with durable.together() as replaced:
        for name in content.manifest:
            replaced.append(durable.ready_link(store / path / name, latest / name))
        for name, data in content.pages.items():
            replaced.append(durable.ready(latest / name, data, private=False))
        replaced.append(durable.ready(latest / "latest.json", text.encode(), private=False))


def _about(run: Mapping[str, object], path: str) -> dict[str, object]:
    return {
        "run_id": run["run_id"],
        "run_date": str(run["run_date"]),
        "as_of": format_moment(int(str(run["as_of_us"]))),
        "schema_version": SCHEMA_VERSION,
        "path": path,
    }


def _show(  # noqa: PLR0913 - what `Published` says
    store: Path, run: Mapping[str, object], path: str, generation: int, content: Edition, changed: bool
) -> Published:
    """Make a run that is in history the latest one, unless a run with a later as_of is that has come."""
    pointer, _ = seen_latest(store)
    as_of_us, come_us = int(str(run["as_of_us"])), int(str(run["run_us"])) + AHEAD_US
    shown_us = as_of_us if pointer is None else parse_moment(pointer["as_of"])
    latest = shown_us <= as_of_us or as_of_us <= come_us < shown_us
    if not latest:
        for name, data in content.pages.items():
            if not (store / path / name).exists():
                durable.atomic_write(store / path / name, data, private=False)
    elif changed or pointer is None or not _is_shown(store, pointer, path, content):
        write_latest(store, run, path, content)
    files = {name: str(told["sha256"]) for name, told in content.manifest.items()}
    files |= {name: _sha256(data) for name, data in content.pages.items()}
    folder = LATEST if latest else path
    paths = {name: f"{folder}/{name}" for name in files}
    return Published(str(run["run_id"]), path, generation, changed, files, latest, paths)


def _is_shown(store: Path, pointer: Mapping[str, Any], path: str, content: Edition) -> bool:
    """Tell whether ``reports/latest`` shows the content of a history directory, whole."""
    return (
        pointer["path"] == path
        and pointer["files"] == content.manifest
        and set(content.pages) <= set(pointer["pages"])
        and not damaged_files(store / LATEST, {**pointer["files"], **pointer["pages"]})
    )


def _is_same(before: Mapping[str, Any], content: Edition, moment: tuple[date, int]) -> bool:
    """Tell whether a run was published with this content, its counters apart."""
    then, now = ({**files, _COUNTERS: None} for files in (json.loads(before["manifest"]), content.manifest))
    return then == now and (before["run_date"], before["as_of_us"]) == moment


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _next_generation(store: Path, before: Mapping[str, Any] | None, run_id: str, run_date: date) -> int:
    """Return the generation whose directory neither the catalog nor ``latest.json`` names."""
    generation = int(before["generation"]) + 1 if before else 1
    pointer, _ = seen_latest(store)
    while pointer and pointer["path"] == history_path(run_id, run_date, generation):
        generation += 1
    return generation


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
