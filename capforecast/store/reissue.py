"""Published files made again: what history or ``reports/latest`` has lost, the other one or the catalog knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from capforecast.store import durable
from capforecast.store.catalog import Catalog
from capforecast.store.history import damaged_files
from capforecast.store.layout import DAMAGED, LATEST, POINTER
from capforecast.store.pointer import RUN_MANIFEST, manifest_damage, pointer_damage, seen_latest
from capforecast.store.publish import AHEAD_US, Edition, write_latest, write_manifest

Told = tuple[list[str], list[str]]


def reissue(store: Path, catalog: Catalog) -> Told:
    """Make damaged published files again; return a sentence for each that was and for each that could not be.

    Parameters
    ----------
    store, catalog
        The store, open for writing.

    Raises
    ------
    StoreError
        Nothing could be written; what was whole is whole.
    """
    files = {path: json.loads(manifest) for path, manifest in catalog.history().items()}
    done, left = _history(store, files)
    done += _manifests(store, catalog, files)
    pointed, unpointed = _pointer(store, catalog, files)
    again, lost = _latest(store)
    return [*done, *pointed, *again], [*left, *unpointed, *lost]


def _history(store: Path, files: Mapping[str, Mapping[str, Any]]) -> Told:
    """Take tables of the run that ``reports/latest`` shows from there."""
    pointer, _ = seen_latest(store)
    done, left = [], []
    for path, manifest in files.items():
        torn = _names(damaged_files(store / path, manifest))
        shown = manifest if pointer is not None and pointer["path"] == path else {}
        whole = set(shown) - set(_names(damaged_files(store / LATEST, shown)))
        for name in torn:
            if name in whole:
                durable.make_directory(store / path, private=False)
                with durable.together() as replaced:
                    replaced.append(durable.ready_link(store / LATEST / name, store / path / name))
                done.append(f"{path}/{name}: taken from {LATEST}")
            else:
                left.append(
                    f"{path}/{name}: nothing else holds it; restore it from a backup, or leave it: "
                    "it goes with its run, and no other one needs it"
                )
    return done, left


def _manifests(store: Path, catalog: Catalog, files: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Write the manifests of runs in history again."""
    done = []
    for run in catalog.generations():
        path = run["path"]
        if (store / path).is_dir() and manifest_damage(store / path, files[path]):
            write_manifest(store / path, run, path, files[path])
            done.append(f"{path}/{RUN_MANIFEST}: written anew")
    return done


def _pointer(store: Path, catalog: Catalog, files: Mapping[str, Mapping[str, Any]]) -> Told:
    """Let ``reports/latest`` show the newest run that is whole."""
    if not pointer_damage(store, catalog.history()):
        return [], []
    whole = (run for run in _newest_first(catalog) if not damaged_files(store / run["path"], files[run["path"]]))
    run = next(whole, None)
    if run is None:
        return [], [f"{POINTER}: no run is whole that it could name; `capforecast run` publishes one"]
    if (store / POINTER).exists():
        durable.make_directory(store / DAMAGED)
        durable.move(store / POINTER, store / DAMAGED / Path(POINTER).name)
    write_latest(store, run, run["path"], Edition(store / run["path"], files[run["path"]], {}))
    return [f"{POINTER}: written anew for run {run['run_id']}; its page is that of the next `capforecast run`"], []


def _newest_first(catalog: Catalog) -> list[dict[str, Any]]:
    """Return the runs, each in its newest generation; those last that lay ahead of the clock."""
    runs = pl.DataFrame(catalog.generations()).unique("run_id", keep="last", maintain_order=True)
    ahead = pl.col("as_of_us") > pl.col("run_us") + AHEAD_US
    return runs.sort(~ahead, "as_of_us", descending=True).to_dicts()


def _latest(store: Path) -> Told:
    """Give the fixed names of the latest run's tables their files in history again, where those are whole."""
    pointer, _ = seen_latest(store)
    if pointer is None:
        return [], []
    files = pointer["files"]
    whole = set(files) - set(_names(damaged_files(store / pointer["path"], files)))
    torn = _names(damaged_files(store / LATEST, {**files, **pointer["pages"]}))
    again = [name for name in torn if name in whole]
    with durable.together() as replaced:
        replaced.extend(durable.ready_link(store / pointer["path"] / name, store / LATEST / name) for name in again)
    lost = [
        f"{LATEST}/{name}: nothing else holds it; `capforecast run` writes it" for name in torn if name not in whole
    ]
    return [f"{LATEST}/{name}: taken from history" for name in again], lost


def _names(problems: list[str]) -> list[str]:
    return [problem.partition(":")[0] for problem in problems]
