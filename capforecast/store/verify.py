"""What can be wrong with a store, found without changing anything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from capforecast.store.catalog import Catalog
from capforecast.store.history import check_file, damaged_files, stray_history
from capforecast.store.layout import LATEST, POINTER, Manifest
from capforecast.store.parquet import Part
from capforecast.store.pointer import RUN_MANIFEST, manifest_damage, pointer_damage, seen_latest

FAMILIES = ("samples", "rollups", "quarantine")


def known_paths(catalog: Catalog) -> set[str]:
    """Return the paths of all data files that belong to the store."""
    return {part.path for family in FAMILIES for part in catalog.parts(family)}


def leftovers(store: Path, known: set[str], families: Sequence[str]) -> list[str]:
    """Return data files of ours that the catalog does not name."""
    found = []
    for family in families:
        for path in sorted((store / family).rglob("*")):
            ours = path.name.endswith(".parquet") or (path.name.startswith(".") and path.name.endswith(".tmp"))
            if ours and path.is_file() and path.relative_to(store).as_posix() not in known:
                found.append(path.relative_to(store).as_posix())
    return found


def problems(store: Path, manifest: Manifest, catalog: Catalog) -> list[str]:
    """Return one sentence per problem: files, spans, ledger, published reports.

    The catalog's own file is never read except through DuckDB: opening and closing it by other
    means would drop the lock that DuckDB holds on it.
    """
    found = []
    commit = catalog.meta("commit")
    if commit < manifest.commit:
        found.append(f"catalog: holds commit {commit}, store.json says {manifest.commit}: commits were lost")
    for family in FAMILIES:
        parts = catalog.parts(family)
        found += [f"{part.path}: {problem}" for part in parts if (problem := _check_part(store, part))]
        if family != "quarantine":
            found += _overlaps(parts)
    found += [
        f"{path}: is not named by the catalog; the next writer removes it"
        for path in leftovers(store, known_paths(catalog), FAMILIES)
    ]
    return found + _ledger(catalog) + _reports(store, catalog)


def _check_part(store: Path, part: Part) -> str:
    problem = check_file(store / part.path, part.sha256)
    if problem:
        return problem
    try:
        rows = pq.read_metadata(store / part.path).num_rows
    except (OSError, pa.ArrowException) as error:
        return f"is no Parquet file ({error})"
    return "" if rows == part.rows else f"has {rows} rows, the catalog says {part.rows}"


def _overlaps(parts: list[Part]) -> list[str]:
    parts = sorted(parts, key=lambda part: (part.block, part.first_day))
    return [
        f"{after.path}: overlaps {before.path}"
        for before, after in zip(parts, parts[1:], strict=False)
        if after.block == before.block and after.first_day <= before.last_day
    ]


def _ledger(catalog: Catalog) -> list[str]:
    ledger = catalog.ledger()
    wrong = ledger.filter(ledger["rows_in"] != ledger["accepted"] + ledger["duplicate"] + ledger["quarantined"])
    found = [f"ledger: ingest {name} does not conserve its rows" for name in wrong["ingest_id"]]
    accepted, counted = int(ledger["accepted"].sum()), int(catalog.series()["samples"].sum())
    if accepted != counted:
        found.append(f"ledger: {accepted} rows were accepted, the series count {counted} samples")
    if not catalog.meta("samples_from_us"):
        stored = sum(part.rows for part in catalog.parts("samples"))
        if stored != counted:
            found.append(f"samples: the files hold {stored} samples, the series count {counted}")
    return found


def _reports(store: Path, catalog: Catalog) -> list[str]:
    found = []
    history = catalog.history()
    for path, manifest in history.items():
        files = json.loads(manifest)
        found += [f"{path}/{problem}" for problem in damaged_files(store / path, files)]
        if damage := manifest_damage(store / path, files):
            found.append(f"{path}/{RUN_MANIFEST}: {damage}")
    found += [f"{path}: is not named by the catalog" for path in stray_history(store, set(history))]
    if damage := pointer_damage(store, history):
        found.append(f"{POINTER}: {damage}")
    pointer, _ = seen_latest(store)
    if pointer is not None:
        named = {**pointer["files"], **pointer["pages"]}
        found += [f"{LATEST}/{problem}" for problem in damaged_files(store / LATEST, named)]
    return found
