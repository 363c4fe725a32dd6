"""The catalog: which series, data files, ingests, runs and limits the store consists of.

A data file belongs to the store because the catalog names it; one transaction moves the store from
one state to the next. All SQL of the package is here, with bound values only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb
import polars as pl
import polars.selectors as cs

from capforecast.errors import StoreError
from capforecast.store import database
from capforecast.store.parquet import Part

STATEMENTS = [
    "CREATE TABLE meta (key TEXT, value BIGINT)",
    "INSERT INTO meta VALUES ('commit', 0), ('samples_from_us', 0)",
    """CREATE TABLE series (sid INTEGER, host TEXT, metric TEXT, instance TEXT, unit TEXT,
       first_us BIGINT, last_us BIGINT, samples BIGINT, nature TEXT, given TEXT)""",
    "CREATE TABLE anchors (sid INTEGER, ts BIGINT, value DOUBLE)",
    """CREATE TABLE parts (family TEXT, path TEXT, block INTEGER, first_day INTEGER, last_day INTEGER, days INTEGER,
       rows BIGINT, bytes BIGINT, sha256 TEXT, owner TEXT)""",
    """CREATE TABLE ingests (ingest_id TEXT, source TEXT, sha256 TEXT, run_id TEXT, started_us BIGINT,
       rows_in BIGINT, accepted BIGINT, duplicate BIGINT, conflict BIGINT, quarantined BIGINT,
       series_new BIGINT, first_us BIGINT, last_us BIGINT, reasons TEXT, status TEXT,
       commit_number BIGINT, warnings TEXT)""",
    """CREATE TABLE runs (run_id TEXT, run_date DATE, as_of_us BIGINT, run_us BIGINT, generation INTEGER,
       path TEXT, manifest TEXT, details TEXT, commit_number BIGINT)""",
    "CREATE TABLE limits_source (source TEXT, sha256 TEXT)",
]
_TO_FORMAT_2 = [
    """CREATE TABLE parts_2 AS SELECT family, path, 0::INTEGER AS block, first_day, last_day, days, rows, bytes,
       sha256, owner FROM parts""",
    "DROP TABLE parts",
    "ALTER TABLE parts_2 RENAME TO parts",
]
_TO_FORMAT_3 = [
    "ALTER TABLE series ADD COLUMN nature TEXT DEFAULT ''",
    "ALTER TABLE series ADD COLUMN given TEXT DEFAULT ''",
    "UPDATE series SET given = unit",
    "CREATE TABLE anchors (sid INTEGER, ts BIGINT, value DOUBLE)",
]
_INSERT = {
    "anchors": "INSERT INTO anchors SELECT * FROM rows_to_add",
    "parts": "INSERT INTO parts SELECT * FROM rows_to_add",
    "ingests": "INSERT INTO ingests SELECT * FROM rows_to_add",
    "runs": "INSERT INTO runs SELECT * FROM rows_to_add",
    "series": "INSERT INTO series SELECT * FROM rows_to_add",
}


class Catalog:
    """The open catalog of a store."""

    def __init__(self, path: Path, *, writable: bool):
        self._path, self._writable = path, writable
        self._con = database.open_catalog(path, writable=writable)
        self._turn = Lock()

    def close(self) -> None:
        """Checkpoint and close."""
        try:
            if self._writable:
                database.checkpoint(self._con)
        finally:
            self._con.close()

    def abandon(self) -> None:
        """Close without a checkpoint: what was committed is in the write-ahead log."""
        self._con.close()

    def meta(self, key: str) -> int:
        """Return a number of the store: "commit" or "samples_from_us"."""
        return int(self._rows("SELECT value FROM meta WHERE key = ?", [key])[0][0])

    def set_meta(self, key: str, value: int) -> None:
        """Set a number of the store."""
        self._con.execute("UPDATE meta SET value = ? WHERE key = ?", [value, key])

    @contextmanager
    def transaction(self) -> Iterator[int]:
        """Run one step of the store: all of it is committed, or nothing; gives the number of the commit.

        Raises
        ------
        StoreError
            The step could not be committed, and the store is as it was before.
        """
        number = self.meta("commit") + 1
        try:
            self._con.execute("BEGIN")
            yield number
            self.set_meta("commit", number)
            database.commit(self._con, self._path)
        except duckdb.Error as error:
            if self._reached(number):
                return
            raise StoreError(
                "the catalog must be able to commit",
                got=str(error).splitlines()[0],
                where=str(self._path),
                do="Check free space and the disk, then run again: the store is as it was before",
            ) from error
        except BaseException:
            # The first error is the one to tell; without a rollback the transaction ends with the process.
            with suppress(duckdb.Error):
                self._con.execute("ROLLBACK")
            raise

    def _reached(self, number: int) -> bool:
        # An error of COMMIT says nothing about its outcome: only the file, opened again, does.
        self._con.close()
        self._con = database.open_catalog(self._path, writable=True)
        return self.meta("commit") >= number

    @contextmanager
    def _asking(self) -> Iterator[None]:
        # Shards read from threads of their own, and a connection serves one caller at a time.
        with self._turn:
            try:
                yield
            except duckdb.Error as error:
                raise StoreError(
                    "the catalog must be readable",
                    got=str(error).splitlines()[0],
                    where=str(self._path),
                    do="Nothing was changed. Restore the store from a backup, or ingest its sources into a new one",
                ) from error

    def _rows(self, sql: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._asking():
            return self._con.execute(sql, list(values)).fetchall()

    def _one(self, sql: str, name: str) -> dict[str, Any] | None:
        with self._asking():
            result = self._con.execute(sql, [name])
            names = [column[0] for column in result.description or ()]
            rows = result.fetchall()
        return dict(zip(names, rows[0], strict=True)) if rows else None

    def _frame(self, sql: str) -> pl.DataFrame:
        with self._asking():
            frame: pl.DataFrame = self._con.sql(sql).pl()
        return frame

    def series(self) -> pl.DataFrame:
        """Return the series with their times in microseconds, by host, metric and instance."""
        return self._frame("SELECT * FROM series").sort("host", "metric", "instance")

    def parts(self, family: str) -> list[Part]:
        """Return the data files of a family, by span."""
        names = [field.name for field in fields(Part)]
        rows = self._rows("SELECT * FROM parts WHERE family = ? ORDER BY first_day, block", [family])
        return [Part(**dict(zip(names, row, strict=True))) for row in rows]

    def ledger(self) -> pl.DataFrame:
        """Return the ingests, oldest first."""
        frame = self._frame("SELECT * FROM ingests ORDER BY commit_number")
        return frame.with_columns(
            pl.from_epoch(name, "us").dt.replace_time_zone("UTC").alias(name)
            for name in ("started_us", "first_us", "last_us")
        ).rename({"started_us": "started", "first_us": "first_ts", "last_us": "last_ts"})

    def ingest(self, ingest_id: str) -> dict[str, Any] | None:
        """Return one ingest of the ledger, None when it is not there."""
        return self._one("SELECT * FROM ingests WHERE ingest_id = ?", ingest_id)

    def run(self, run_id: str) -> dict[str, Any] | None:
        """Return the newest generation of a published run, None when there is none."""
        return self._one("SELECT * FROM runs WHERE run_id = ? ORDER BY generation DESC LIMIT 1", run_id)

    def runs(self) -> pl.DataFrame:
        """Return the newest generation of each published run, oldest first."""
        frame = self._frame(
            """SELECT * FROM runs QUALIFY generation = max(generation) OVER (PARTITION BY run_id)
               ORDER BY commit_number"""
        )
        return frame.with_columns(
            pl.from_epoch(name, "us").dt.replace_time_zone("UTC").alias(name) for name in ("as_of_us", "run_us")
        ).rename({"as_of_us": "as_of", "run_us": "run_at"})

    def generations(self) -> list[dict[str, Any]]:
        """Return run_id, run_date, as_of_us, run_us and path of every generation of every run, oldest first."""
        return self._frame(
            "SELECT run_id, run_date, as_of_us, run_us, path FROM runs ORDER BY commit_number"
        ).to_dicts()

    def history(self) -> dict[str, str]:
        """Return path and manifest of every generation of every run."""
        return dict(self._rows("SELECT path, manifest FROM runs ORDER BY commit_number"))

    def sids(self, host: str, metric: str) -> list[int]:
        """Return the series of a host's metric."""
        rows = self._rows("SELECT sid FROM series WHERE host = ? AND metric = ?", [host, metric])
        return [int(row[0]) for row in rows]

    def record_parts(self, added: Sequence[Part], removed: Sequence[Part]) -> None:
        """Replace data files."""
        if removed:
            self._con.executemany("DELETE FROM parts WHERE path = ?", [[part.path] for part in removed])
        if added:
            self._insert("parts", pl.DataFrame([asdict(part) for part in added]))

    def record_series(self, seen: pl.DataFrame) -> None:
        """Add new series and widen known ones.

        Parameters
        ----------
        seen : DataFrame
            All columns of the table series; for known series first_us, last_us and samples of this
            ingest alone, and unit, nature and given as they shall be.
        """
        with self._as_table(seen):
            self._con.execute(
                """UPDATE series SET unit = r.unit, nature = r.nature, given = r.given,
                   first_us = least(series.first_us, r.first_us), last_us = greatest(series.last_us, r.last_us),
                   samples = series.samples + r.samples FROM rows_to_add r WHERE series.sid = r.sid"""
            )
            self._con.execute(
                """INSERT INTO series SELECT * FROM rows_to_add r
                   WHERE r.sid NOT IN (SELECT sid FROM series) ORDER BY r.sid"""
            )

    def anchors(self) -> pl.DataFrame:
        """Return the newest sample of each counter that was pruned: sid, ts (microseconds) and value."""
        return self._frame("SELECT * FROM anchors ORDER BY sid")

    def record_anchors(self, frame: pl.DataFrame) -> None:
        """Replace the anchors of the counters in a frame with the columns of `anchors`."""
        with self._as_table(frame):
            self._con.execute("DELETE FROM anchors WHERE sid IN (SELECT sid FROM rows_to_add)")
        self._insert("anchors", frame)

    def record_ingest(self, row: Mapping[str, object]) -> None:
        """Add an ingest to the ledger; `row` has the columns of the table in their order."""
        types = {"first_us": pl.Int64, "last_us": pl.Int64}
        self._insert("ingests", pl.DataFrame([row], schema_overrides=types))

    def record_run(self, row: Mapping[str, object], *, instead_of: str = "") -> None:
        """Add a generation of a published run, or put it in the place of the directory `instead_of`."""
        self.forget_runs([instead_of])
        self._insert("runs", pl.DataFrame([row]))

    def forget_runs(self, paths: Sequence[str]) -> None:
        """Remove generations of runs, given by their directories."""
        self._con.executemany("DELETE FROM runs WHERE path = ?", [[path] for path in paths])

    def limits(self) -> pl.DataFrame | None:
        """Return the limits as they were set, None when they never were."""
        if not self._rows("SELECT 1 FROM information_schema.tables WHERE table_name = 'limits'"):
            return None
        frame = self._frame("SELECT * FROM limits ORDER BY capforecast_row").drop("capforecast_row")
        return frame.with_columns(cs.datetime(time_zone="*").dt.convert_time_zone("UTC"))

    def record_limits(self, frame: pl.DataFrame, source: str, sha256: str) -> None:
        """Replace the limits, keeping the order of the rows, and say where they come from."""
        with self._as_table(frame.with_row_index("capforecast_row")):
            self._con.execute("CREATE OR REPLACE TABLE limits AS SELECT * FROM rows_to_add")
        self._con.execute("DELETE FROM limits_source")
        self._con.execute("INSERT INTO limits_source VALUES (?, ?)", [source, sha256])

    def has_blocks(self) -> bool:
        """Tell whether data files are divided by series; the earliest stores had one block."""
        return self._has_column("parts", "block")

    def to_format_2(self) -> None:
        """Bring the tables of format 1, with or without blocks, into the shape of format 2."""
        if not self.has_blocks():
            for statement in _TO_FORMAT_2:
                self._con.execute(statement)
        if not self._has_column("ingests", "warnings"):
            self._con.execute("ALTER TABLE ingests ADD COLUMN warnings TEXT DEFAULT '[]'")

    def has_natures(self) -> bool:
        """Tell whether series say whether they are counters: a killed migration may have come so far."""
        return self._has_column("series", "nature")

    def to_format_3(self) -> None:
        """Bring the tables of format 2 into the shape of format 3."""
        for statement in _TO_FORMAT_3:
            self._con.execute(statement)

    def _has_column(self, table: str, column: str) -> bool:
        sql = "SELECT 1 FROM information_schema.columns WHERE table_name = ? AND column_name = ?"
        return bool(self._rows(sql, [table, column]))

    def _insert(self, table: str, frame: pl.DataFrame) -> None:
        with self._as_table(frame):
            self._con.execute(_INSERT[table])

    @contextmanager
    def _as_table(self, frame: pl.DataFrame) -> Iterator[None]:
        self._con.register("rows_to_add", frame.to_arrow())
        try:
            yield
        finally:
            self._con.unregister("rows_to_add")
