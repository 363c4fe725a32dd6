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
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa

from capforecast.errors import ConfigError, SchemaError, StoreError, UnknownNameError
from capforecast.schema import SCHEMA_VERSION, TABLES, Table
from capforecast.store import durable
from capforecast.store.layout import HISTORY, LATEST
from capforecast.store.parquet import damaged, encode, read
from capforecast.times import format_moment

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_POLARS: dict[str, pl.DataType] = {
    "text": pl.String(),
    "double": pl.Float64(),
    "int64": pl.Int64(),
    "bool": pl.Boolean(),
    "date": pl.Date(),
    "timestamp": pl.Datetime("us", "UTC"),
}
_ARROW = {
    "text": pa.string(),
    "double": pa.float64(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", "UTC"),
}
IDENTITY = ("run_id", "run_date", "as_of_us", "run_us")
_CODEC = {"compression": "snappy", "version": "2.6"}


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


@dataclass(frozen=True, slots=True)
class Edition:
    """The bytes of a run, ready to be written."""

    tables: dict[str, bytes]
    rows: dict[str, int]
    pages: dict[str, bytes]

    def manifest(self) -> dict[str, dict[str, Any]]:
        """Return file name to rows, bytes and sha256 of each table."""
        return {
            name: {"rows": self.rows[name], "bytes": len(data), "sha256": _sha256(data)}
            for name, data in self.tables.items()
        }


def file_name(name: str, what: str) -> str:
    """Return a name that is safe as part of a path.

    Raises
    ------
    ConfigError
        It is not.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"a {what} must be 1 to 100 letters, digits, dots, dashes and underscores, and start with a "
            "letter or digit",
            got=repr(name),
        )
    return name


def edition(tables: Mapping[str, pl.DataFrame], pages: Mapping[str, bytes]) -> Edition:
    """Check and encode what is to be published; tables that are not given are published empty.

    Raises
    ------
    UnknownNameError, SchemaError, ConfigError
        A table is unknown, a frame does not fit its table, or a page's name is no file name.
    """
    for name in tables:
        if name not in TABLES:
            raise UnknownNameError("table", name, TABLES)
    encoded, rows = {}, {}
    for name, table in TABLES.items():
        frame = tables.get(name, pl.DataFrame(schema={c.name: _POLARS[c.type] for c in table.columns}))
        arrow = _to_arrow(table, _checked(table, frame))
        encoded[f"{name}.parquet"] = encode(arrow, **_CODEC).to_pybytes()
        rows[f"{name}.parquet"] = frame.height
    return Edition(encoded, rows, {file_name(name, "page's name"): pages[name] for name in sorted(pages)})


def _checked(table: Table, frame: pl.DataFrame) -> pl.DataFrame:
    if tuple(frame.columns) != table.names:
        missing = [name for name in table.names if name not in frame.columns]
        extra = [name for name in frame.columns if name not in table.names]
        raise SchemaError(
            f"table {table.name} must have exactly the columns of the schema, in its order",
            got=f"missing {missing}, extra {extra}" if missing or extra else "another order",
        )
    for column in table.columns:
        got, want = frame.schema[column.name], _POLARS[column.type]
        if got not in (want, pl.Null()):
            raise SchemaError(
                f"column {column.name} must be {column.type} ({want})",
                got=str(got),
                where=f"table {table.name}",
            )
        if column.type == "double" and got == want and not frame[column.name].is_finite().all():
            raise SchemaError(
                f"column {column.name} must hold finite values or null",
                got="NaN or infinity",
                where=f"table {table.name}, row {frame[column.name].is_finite().fill_null(True).arg_min()}",
            )
    return frame.cast({column.name: _POLARS[column.type] for column in table.columns})


def _to_arrow(table: Table, frame: pl.DataFrame) -> pa.Table:
    schema = pa.schema(
        [(column.name, _ARROW[column.type]) for column in table.columns],
        metadata={"schema_version": str(SCHEMA_VERSION), "table": table.name},
    )
    return frame.to_arrow().cast(schema.remove_metadata()).replace_schema_metadata(schema.metadata)


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
        "pages": {
            name: {"bytes": len(data), "sha256": _sha256(data)} for name, data in content.pages.items()
        },
    }
    text = json.dumps(pointer, indent=2, sort_keys=True) + "\n"
    durable.atomic_write(latest / "latest.json", text.encode(), private=False)
    return {name: _sha256(data) for name, data in files.items()}


def history_path(run_id: str, run_date: date, generation: int) -> str:
    """Return the directory of a run, relative to the store."""
    suffix = f"~{generation}" if generation > 1 else ""
    return f"{HISTORY}/run_date={run_date.isoformat()}/run_id={file_name(run_id, 'run_id')}{suffix}"


def is_same(store: Path, before: Mapping[str, Any], content: Edition, run_date: date) -> bool:
    """Tell whether a run was published with exactly this content, and its files are undamaged."""
    manifest = content.manifest()
    return (
        json.loads(before["manifest"]) == manifest
        and before["run_date"] == run_date
        and not any(check_file(store / before["path"] / name, m["sha256"]) for name, m in manifest.items())
    )


def next_generation(store: Path, before: Mapping[str, Any] | None, run_id: str, run_date: date) -> int:
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
        out[table.name] = frame.cast({column.name: _POLARS[column.type] for column in table.columns})
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


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


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
        isinstance(run_id, str)
        and isinstance(run_date, date)
        and isinstance(as_of_us, int)
        and isinstance(run_us, int)
    ):
        raise StoreError(
            "a run must have run_id (str), run_date (date), as_of_us and run_us (int)", got=repr(dict(run))
        )
    return run_id, run_date, as_of_us, run_us
