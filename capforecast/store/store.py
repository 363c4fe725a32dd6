"""The store: one object over the directory, the catalog and the lock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from capforecast.errors import StoreError
from capforecast.store import layout, limits, opening, samples, spans
from capforecast.store.conversion import scale
from capforecast.store.counters import rate_unit
from capforecast.store.edition import fitted_tables
from capforecast.store.history import read_published
from capforecast.store.identify import KEY
from capforecast.store.intake import Batch
from capforecast.store.ledger import Ingested, Request, take_in
from capforecast.store.publication import Publication
from capforecast.store.publish import Published
from capforecast.store.quarantine import read_quarantine
from capforecast.store.reading import Reader
from capforecast.store.repair import repair
from capforecast.store.retention import prune_history, prune_samples
from capforecast.store.rollups import Rollups
from capforecast.store.spans import Span
from capforecast.store.verify import problems
from capforecast.times import DAY_US, HOUR_US

_FAR = 1 << 62


class Store:
    """A directory with samples, rollups, quarantine, reports and their catalog; a context manager.

    One process may have it open for writing, or any number for reading. ``Store(path)`` opens it for
    reading, like ``Store.open(path)``.

    Parameters
    ----------
    path : Path
        Directory of a store.
    """

    def __init__(self, path: Path | str):
        self._hold(opening.open_existing(Path(path), writable=False, wait_seconds=0.0))

    @classmethod
    def _of(cls, opened: opening.Opened) -> Self:
        store = cls.__new__(cls)
        store._hold(opened)
        return store

    def _hold(self, opened: opening.Opened) -> None:
        self.path = opened.path
        self._manifest, self._catalog, self._lock = opened.manifest, opened.catalog, opened.lock
        self._writable, self._closed = opened.writable, False
        self._reader: Reader | None = None

    @classmethod
    def exists(cls, path: Path | str) -> bool:
        """Tell whether there is a store, of whatever format."""
        return layout.is_store(Path(path))

    @classmethod
    def create(cls, path: Path | str, *, step_us: int = HOUR_US, created_us: int) -> Self:
        """Make a store and open it for writing.

        Parameters
        ----------
        path : Path
            No directory, or an empty one.
        step_us : int
            Width of a rollup: from a minute to a day, a divisor of a day.
        created_us : int
            When this is, microseconds since the epoch.

        Raises
        ------
        StoreError, LockedError
            The path is a file, a store already, or a directory with other things; another process is making it.
        ConfigError
            The step does not divide a day.
        """
        return cls._of(opening.create(Path(path), step_us, created_us))

    @classmethod
    def open_or_create(cls, path: Path | str, *, created_us: int, wait_seconds: float = 0.0) -> Self:
        """Open a store for writing, or make one with hourly rollups, with what `open` and `create` take and raise."""
        return cls._of(opening.open_or_create(Path(path), HOUR_US, created_us, wait_seconds))

    @classmethod
    def open(cls, path: Path | str, *, writable: bool = False, wait_seconds: float = 0.0) -> Self:
        """Open a store.

        Parameters
        ----------
        path : Path
            Directory of the store.
        writable : bool
            Only reading works on a read-only file system.
        wait_seconds : float
            How long to wait for the lock.

        Raises
        ------
        StoreError, LockedError
            There is none, it is damaged, newer or has lost commits; another process writes (or, for writing, reads) it.
        """
        return cls._of(opening.open_existing(Path(path), writable=writable, wait_seconds=wait_seconds))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            # The first error is the one to tell; what was committed is safe without a checkpoint.
            with suppress(StoreError):
                self.close()

    def close(self) -> None:
        """Close the catalog and give the lock back; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._catalog.close()
        finally:
            self._lock.release()

    @property
    def step_us(self) -> int:
        """Width of a rollup in microseconds."""
        return self._manifest.step_us

    @property
    def format_version(self) -> int:
        """Format of the directory."""
        return self._manifest.format_version

    @property
    def commit(self) -> int:
        """Number of the last change."""
        return self._catalog.meta("commit")

    def series(self) -> pl.DataFrame:
        """Return sid, host, metric, instance, unit (a counter's is that of its rates), first_ts, last_ts, samples,
        nature, given (the unit that samples came in) and scale (what one of it is in the unit they are kept in).
        """
        times = [
            pl.from_epoch(f"{name}_us", "us").dt.replace_time_zone("UTC").alias(f"{name}_ts")
            for name in ("first", "last")
        ]
        return self._catalog.series().select("sid", *KEY, rate_unit(), *times, "samples", "nature", "given", scale())

    def watermark_us(self) -> int | None:
        """Return the time of the newest accepted sample, None in an empty store."""
        newest = self._catalog.series()["last_us"].max()
        return None if newest is None else int(newest)  # type: ignore[arg-type]

    def rollups(
        self,
        sids: NDArray[np.int32] | None,
        columns: Sequence[str],
        *,
        from_us: int | None = None,
        to_us: int | None = None,
    ) -> Rollups:
        """Return statistics of some series (None: of all), sorted by (sid, bucket).

        Parameters
        ----------
        sids : int32 array, optional
            Series.
        columns : sequence of str
            Of count, mean, max, p95, last, min.
        from_us, to_us : int, optional
            Only buckets that lie wholly between these times.

        Raises
        ------
        SchemaError, StoreError
            A column is no statistic; a file is missing or damaged.
        """
        step = self.step_us
        first = -_FAR if from_us is None else -(-from_us // step)
        end = _FAR if to_us is None else to_us // step
        # Two threads may both come here first; either of their readers will do.
        reader = self._reader = self._reader or Reader(self.path, self._catalog.parts("rollups"))
        days = Span(first * step // DAY_US, (end * step - 1) // DAY_US)
        return reader.select(sids, columns, (first, end), days)

    def samples(
        self,
        host: str,
        metric: str,
        instance: str | None = None,
        *,
        from_us: int | None = None,
        to_us: int | None = None,
    ) -> pl.DataFrame:
        """Return samples: host, metric, instance, ts, value, sorted by instance and time.

        Without an instance those of all; `from_us` is the first time, `to_us` the first not wanted any more.
        """
        first = -_FAR if from_us is None else from_us // DAY_US
        last = _FAR if to_us is None else (to_us - 1) // DAY_US
        blocks = {sid // spans.BLOCK for sid in self._catalog.sids(host, metric)}
        near = (p for p in self._catalog.parts("samples") if p.first_day <= last and p.last_day >= first)
        parts = [part for part in near if part.block in blocks]
        return samples.select(self.path, parts, (host, metric, instance), (from_us, to_us))

    def quarantine(self, sha256: str | None = None) -> pl.DataFrame:
        """Return quarantined rows (source, line, reason, raw) of one source's sha256, or of all.

        `raw` is the text of a row that could not be read, and host, metric, instance, unit, ts (microseconds)
        and value with commas between of one that was read and then found not acceptable.
        """
        return read_quarantine(self.path, self._catalog.parts("quarantine"), sha256)

    def append(
        self,
        source: str,
        sha256: str,
        batches: Iterable[Batch],
        *,
        ingest_id: str,
        run_id: str,
        as_of_us: int,
        max_new_series: int | None = None,
    ) -> Ingested:
        """Bring validated batches into the store: all of them, or nothing when anything goes wrong.

        An `ingest_id` that the ledger knows is not ingested again: its counts are returned.

        Raises
        ------
        DataError, StoreError
            There are more new series than `max_new_series`, or the store could not be written; it is as it was.
        """
        self._check_writable()
        request = Request(source, sha256, ingest_id, run_id, as_of_us, max_new_series)
        try:
            return take_in(self._catalog, self.path, self.step_us, request, batches, self._committed)
        except Exception:
            with suppress(StoreError):  # The next writer removes what cannot be removed now.
                opening.sweep(self.path, self._catalog)
            raise

    def ledger(self) -> pl.DataFrame:
        """Return the ingests, oldest first."""
        return self._catalog.ledger()

    def set_limits(self, frame: pl.DataFrame, source: str, sha256: str) -> None:
        """Replace the dated capacities and thresholds.

        Raises
        ------
        SchemaError
        """
        self._check_writable()
        frame = limits.typed(frame)
        with self._catalog.transaction() as number:
            self._catalog.record_limits(frame, source, sha256)
        self._committed(number)

    def limits(self) -> pl.DataFrame:
        """Return the dated capacities and thresholds in the order they were given."""
        frame = self._catalog.limits()
        return pl.DataFrame(schema=limits.COLUMNS) if frame is None else frame

    def publish(
        self, run: Mapping[str, object], tables: Mapping[str, pl.DataFrame], pages: Mapping[str, bytes]
    ) -> Published:
        """Publish a run: history first, the fixed names next, ``latest.json`` last.

        A run with an older as_of than the latest one goes into history only. `run` has run_id, run_date (date),
        as_of_us and run_us, anything else is kept as JSON; `tables` are those of `capforecast.schema`, published
        empty where they are not given; `pages` are further files for ``reports/latest``, such as report.html.

        Raises
        ------
        SchemaError
            A frame does not fit its table, or holds NaN or infinity.
        StoreError
            The files could not be written; what was published before stands.
        """
        rows = fitted_tables(tables)
        with self.publication(run) as publication:
            for name, table in rows.items():
                publication.write(name, table)
            return publication.publish(pages)

    def publication(self, run: Mapping[str, object]) -> Publication:
        """Begin to publish a run, as in `publish`, whose tables are written as they are made."""
        self._check_writable()
        return Publication(self.path, self._catalog, self._committed, run)

    def published(self, run_id: str | None = None) -> dict[str, pl.DataFrame]:
        """Return the tables of a published run, the latest by default; see `read_published`."""
        return read_published(self.path, run_id)

    def runs(self) -> pl.DataFrame:
        """Return the published runs, each in its newest generation, oldest first."""
        return self._catalog.runs()

    def prune_samples(self, keep_days: int, *, until_us: int = _FAR) -> int:
        """Remove sample files wholly older than `keep_days` before the newest sample; returns their number.

        Rollups stay. Later rows of that time are quarantined: their rollups could not be computed any more.
        Samples after `until_us` make nothing old: one clock that is ahead must not cost all the others theirs.
        """
        self._check_writable()
        if (watermark := self.watermark_us()) is None:
            return 0
        last_day = min(watermark, until_us) // DAY_US
        return prune_samples(self.path, self._catalog, self._committed, last_day - keep_days)

    def prune_history(self, before: date) -> int:
        """Remove runs before a date from history, but never the latest one; returns their number."""
        self._check_writable()
        return prune_history(self.path, self._catalog, self._committed, before)

    def verify(self) -> list[str]:
        """Return what is wrong with the store, file by file; empty when all is well."""
        return problems(self.path, self._manifest, self._catalog)

    def repair(self) -> tuple[list[str], list[str]]:
        """Make damaged rollups and latest tables again; return what was made and what could not be."""
        self._check_writable()
        return repair(self.path, self._catalog, self.step_us, self._committed)

    def _committed(self, number: int) -> None:
        self._reader = None
        self._manifest = layout.committed(self.path, self._manifest, number)

    def _check_writable(self) -> None:
        if not self._writable or self._closed:
            raise StoreError("the store must be open for writing", where=str(self.path))
