"""What says which files a published run has: ``latest.json``, and the manifest of each run in history."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from capforecast.errors import ConfigError, DamagedError
from capforecast.store.layout import POINTER
from capforecast.store.parquet import damaged
from capforecast.store.refusals import telling
from capforecast.times import parse_moment

RUN_MANIFEST = "manifest.json"
_OTHERS = "names other files than those that were published"
_HOLDS = {"run_id": str, "as_of": str, "path": str, "files": dict, "pages": dict}


def read_latest(store: Path) -> dict[str, Any] | None:
    """Return ``latest.json``, None when nothing was published yet.

    Raises
    ------
    DamagedError, StoreError
        The file is damaged, or may not be looked at.
    """
    path = store / POINTER
    with telling("look for its reports", path):
        there = path.exists()
    if not there:
        return None
    pointer = read_json(path, _HOLDS)
    try:
        parse_moment(pointer["as_of"])
    except ConfigError as error:
        raise damaged(path, f"as_of {error.got}") from error
    return pointer


def seen_latest(store: Path) -> tuple[dict[str, Any] | None, str]:
    """Return ``latest.json`` and what is wrong with it: who writes it again can do without one that is damaged."""
    try:
        return read_latest(store), ""
    except DamagedError as error:
        return None, str(error.got)


def pointer_damage(store: Path, known: Mapping[str, str]) -> str:
    """Return what is wrong with ``latest.json``, empty when nothing is.

    Parameters
    ----------
    store : Path
        Directory of the store.
    known : mapping of str to str
        Path and manifest of the runs that the catalog knows.
    """
    pointer, damage = seen_latest(store)
    if pointer is None:
        return damage or ("is missing, though history has a run; the next `capforecast run` writes it" if known else "")
    path = str(pointer["path"])
    if path in known:
        return "" if pointer["files"] == json.loads(known[path]) else _OTHERS
    return "" if (store / path).is_dir() else f"names a run that is not there, {path}"


def manifest_damage(folder: Path, files: Mapping[str, Any]) -> str:
    """Return what is wrong with the manifest of a run in history, whose files are known; empty when nothing is."""
    try:
        told = read_json(folder / RUN_MANIFEST, {"files": dict})["files"]
    except DamagedError as error:
        return str(error.got)
    return "" if told == files else _OTHERS


def read_json(path: Path, must_hold: Mapping[str, type]) -> dict[str, Any]:
    """Return a file that tells what was published; where it must hold a table of files, that has the sha256 of each.

    Raises
    ------
    DamagedError
        It is missing or something else.
    """
    try:
        content = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError, OSError) as error:
        raise damaged(path, getattr(error, "strerror", None) or error) from error
    wrong = [name for name, kind in must_hold.items() if not isinstance(content.get(name), kind)]
    wrong += [
        name for name, kind in must_hold.items() if kind is dict and name not in wrong and not _tells(content[name])
    ]
    if wrong:
        raise damaged(path, f"no {', '.join(wrong)}")
    return content


def _tells(files: Mapping[str, Any]) -> bool:
    """Say whether a table of files has the sha256 of each."""
    return all(isinstance(told, dict) and isinstance(told.get("sha256"), str) for told in files.values())
